"""Charts, by Altair: lines over steps, bars, a matrix, paths. Drawn in the browser as SVG.

Owns their colours and type. Text and lines take the page's own colours from its style sheet, in the
light and in the dark. Does not know what is plotted.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import altair as alt

# The same things have the same colours in every panel.
PICTURE, NOISE, LATENTS, WORDS, GUIDANCE, ERROR = (
    "#2a8f7b",
    "#8a63d2",
    "#3f7fc4",
    "#d98310",
    "#d6406f",
    "#a347ad",
)
QUIET = "#8b9994"
Rows = Sequence[Mapping[str, object]]
Drawn = TypeVar("Drawn", alt.Chart, alt.LayerChart)


def finished(chart: Drawn, height: int = 240) -> Drawn:
    """The chart with the page's type, as wide as its place."""
    return (
        chart.properties(width="container", height=height, background="transparent")
        .configure_view(stroke=None)
        .configure_axis(
            labelFontSize=14,
            titleFontSize=15,
            titleFontWeight=500,
            gridOpacity=0.35,
            tickColor=QUIET,
            domainColor=QUIET,
            titlePadding=10,
        )
        .configure_legend(labelFontSize=14, title=None, orient="top", symbolSize=160)
        .configure_axisX(grid=False)
        # Vega draws on a canvas unless told so; SVG text can be restyled and scales cleanly.
        .properties(usermeta={"embedOptions": {"renderer": "svg"}})
    )


def _layered(*charts: alt.Chart) -> alt.LayerChart:
    layers = alt.layer(*charts)
    assert isinstance(layers, alt.LayerChart)  # there are no facets here
    return layers


def _data(rows: Rows) -> alt.Data:
    return alt.Data(values=[dict(row) for row in rows])


def lines(
    rows: Rows,
    x: str,
    y: str,
    by: str,
    colours: Mapping[str, str],
    now: float | None = None,
    height: int = 240,
) -> alt.LayerChart:
    """One line for each value of `by`, named where there are several, and a mark at `now`."""
    named = alt.Undefined if len(colours) > 1 else None
    scale = alt.Scale(zero=False)
    base = alt.Chart(_data(rows)).encode(
        x=alt.X(f"{x}:Q", title=x, axis=alt.Axis(tickMinStep=1)),
        y=alt.Y(f"{y}:Q", title=y, scale=scale),
        color=alt.Color(
            f"{by}:N",
            scale=alt.Scale(domain=[*colours], range=[*colours.values()]),
            legend=named,
        ),
        tooltip=[f"{by}:N", alt.Tooltip(f"{x}:Q"), alt.Tooltip(f"{y}:Q", format=".4~g")],
    )
    layers = [base.mark_line(strokeWidth=3), base.mark_circle(size=60, opacity=1)]
    if now is not None:
        rule = alt.Chart(_data([{x: now}])).mark_rule(strokeWidth=2, strokeDash=[5, 4])
        layers.append(rule.encode(x=f"{x}:Q", color=alt.value(QUIET)))
    return finished(_layered(*layers), height)


def bars(
    rows: Rows,
    x: str,
    y: str,
    colour: str,
    now: object = None,
    horizontal: bool = False,
    height: int = 200,
) -> alt.Chart:
    """One bar a row, in the rows' order; those before and after `now` are paler."""
    shade = alt.condition(f"datum['{x}'] == {now!r}", alt.value(1), alt.value(0.45))
    names = alt.Axis(labelAngle=0, labelLimit=220, labelOverlap=not horizontal)
    chart = alt.Chart(_data(rows)).mark_bar(color=colour, cornerRadius=3)
    name, value = (alt.Y, alt.X) if horizontal else (alt.X, alt.Y)
    chart = chart.encode(
        name(
            f"{x}:N" if horizontal else f"{x}:O",
            sort=None,
            axis=names,
            title=None if horizontal else x,
        ),
        value(f"{y}:Q", title=y),
        opacity=alt.value(1) if now is None else shade,
        tooltip=[f"{x}:N", alt.Tooltip(f"{y}:Q", format=".4~g")],
    )
    return finished(chart, height)


def matrix(
    names: Sequence[str],
    values: Sequence[Sequence[float]],
    title: str,
    colour: str,
    low: float,
    high: float,
    columns: Sequence[str] | None = None,
) -> alt.LayerChart:
    """A matrix of figures; rows and columns keep their order, repeated names apart."""
    across = columns if columns is not None else names
    down = [f"{i + 1} {name}" for i, name in enumerate(names)]
    right = [f"{i + 1} {name}" for i, name in enumerate(across)]
    rows = [
        {"row": down[i], "column": right[j], title: round(value, 4)}
        for i, line in enumerate(values)
        for j, value in enumerate(line)
    ]
    small = max(len(down), len(right)) > 14
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("column:N", sort=None, title=None, axis=alt.Axis(labelAngle=-45, orient="top")),
        y=alt.Y("row:N", sort=None, title=None),
        tooltip=["row:N", "column:N", alt.Tooltip(f"{title}:Q", format=".3f")],
    )
    ramp = alt.Scale(domain=[low, high], range=["#f4f2ee", colour], clamp=True)
    layers = [base.mark_rect().encode(color=alt.Color(f"{title}:Q", scale=ramp, legend=None))]
    if not small:
        ink = alt.condition(
            f"datum['{title}'] > {low + 0.62 * (high - low)}",
            alt.value("#ffffff"),
            alt.value("#222b28"),
        )
        layers.append(
            base.mark_text(fontSize=13).encode(text=alt.Text(f"{title}:Q", format=".2f"), color=ink)
        )
    return finished(_layered(*layers), max(120, min(40, 560 // len(down)) * len(down)))


def paths(rows: Rows, colours: Mapping[str, str], now: int | None = None) -> alt.LayerChart:
    """Ways through a plane: rows of "across", "down", "step" and "path"."""
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("across:Q", title="direction 1", scale=alt.Scale(zero=False)),
        y=alt.Y("down:Q", title="direction 2", scale=alt.Scale(zero=False)),
        order="step:Q",
        color=alt.Color("path:N", scale=alt.Scale(domain=[*colours], range=[*colours.values()])),
        tooltip=["path:N", "step:Q"],
    )
    size = alt.condition(f"datum.step == {now or -1}", alt.value(320), alt.value(70))
    return finished(
        _layered(
            base.mark_line(strokeWidth=2.5, opacity=0.7),
            base.mark_circle(opacity=1).encode(size=size),
        ),
        340,
    )


def schedule(
    trained: Rows, asked: Rows, x: str, y: str, now: float | None = None
) -> alt.LayerChart:
    """The noise schedule of the training as a line, the levels that a run asks for as marks."""
    line = alt.Chart(_data(trained)).mark_line(strokeWidth=3, color=QUIET)
    marks = alt.Chart(_data(asked)).mark_circle(color=NOISE)
    axes = {
        "x": alt.X(f"{x}:Q", title=x),
        "y": alt.Y(f"{y}:Q", title=y),
    }
    here = f"datum.step == {now}"
    size = alt.condition(here, alt.value(420), alt.value(90))
    shade = alt.condition(here, alt.value(1), alt.value(0.6))
    return finished(
        _layered(
            line.encode(**axes),
            marks.encode(**axes, size=size, opacity=shade, tooltip=["step:Q", f"{x}:Q", f"{y}:Q"]),
        ),
        280,
    )
