"""Charts, by Altair: lines over steps, bars, a matrix, paths. Drawn in the browser as SVG.

Owns their colours and type. Text and lines take the page's own colours from its style sheet, in the
light and in the dark. A chart holds figures and names alone: what its axes are stands beside it, as
markup that the page translates. Does not know what is plotted.
"""

from collections.abc import Iterable, Mapping, Sequence
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
TOLD = "told"  # the field that is shown where one points, and read out
TELL = f"{TOLD}:N"
Rows = Sequence[Mapping[str, object]]
Points = Sequence[tuple[float, float]]  # (x, y)
Drawn = TypeVar("Drawn", alt.Chart, alt.LayerChart)


def finished(chart: Drawn, height: int = 240) -> Drawn:
    """The chart with the page's type, as wide as its place."""
    return (
        chart.properties(width="container", height=height, background="transparent")
        .configure_view(stroke=None)
        .configure_axis(
            labelFontSize=14,
            gridOpacity=0.35,
            tickColor=QUIET,
            domainColor=QUIET,
            aria=False,  # Vega would describe it in English; marks are read out one by one
        )
        .configure_legend(labelFontSize=14, title=None, orient="top", symbolSize=160)
        .configure_axisX(grid=False)
        # Vega draws on a canvas unless told so; SVG text can be restyled and scales cleanly. Its
        # menu speaks English alone and leads to a site elsewhere.
        .properties(usermeta={"embedOptions": {"renderer": "svg", "actions": False}})
    )


def _layered(*charts: alt.Chart) -> alt.LayerChart:
    layers = alt.layer(*charts)
    assert isinstance(layers, alt.LayerChart)  # there are no facets here
    return layers


def _data(rows: Rows) -> alt.Data:
    return alt.Data(values=[dict(row) for row in rows])


def lines(points: Points, colour: str, now: float | None = None) -> alt.LayerChart:
    """A line through points, and a mark at the place `now`."""
    rows = [{"x": x, "y": y, TOLD: f"{x:g}: {y:.4g}"} for x, y in points]
    across = alt.X("x:Q", title=None, axis=alt.Axis(tickMinStep=1))
    base = alt.Chart(_data(rows)).encode(
        x=across,
        y=alt.Y("y:Q", title=None, scale=alt.Scale(zero=False)),
        color=alt.value(colour),
        tooltip=TELL,
        description=TELL,
    )
    layers = [base.mark_line(strokeWidth=3), base.mark_circle(size=60, opacity=1)]
    if now is not None:
        rule = alt.Chart(_data([{"x": now}])).mark_rule(strokeWidth=2, strokeDash=[5, 4])
        layers.append(rule.encode(x=across, color=alt.value(QUIET)))
    return finished(_layered(*layers))


def bars(
    values: Iterable[tuple[int | str, float]],
    colour: str,
    now: int | None = None,
    horizontal: bool = False,
    height: int = 200,
) -> alt.Chart:
    """One bar a (name, value), in their order; those before and after the name `now` are paler."""
    rows = [{"name": name, "value": value, TOLD: f"{name}: {value:.4g}"} for name, value in values]
    shade = alt.condition(f"datum.name == {now!r}", alt.value(1), alt.value(0.45))
    names = alt.Axis(labelAngle=0, labelLimit=220, labelOverlap=not horizontal)
    chart = alt.Chart(_data(rows)).mark_bar(color=colour, cornerRadius=3)
    name, value = (alt.Y, alt.X) if horizontal else (alt.X, alt.Y)
    chart = chart.encode(
        name("name:N" if horizontal else "name:O", sort=None, axis=names, title=None),
        value("value:Q", title=None),
        opacity=alt.value(1) if now is None else shade,
        tooltip=TELL,
        description=TELL,
    )
    return finished(chart, height)


def matrix(
    names: Sequence[str],
    values: Sequence[Sequence[float]],
    colour: str,
    low: float,
    high: float,
    columns: Sequence[str] | None = None,
) -> alt.LayerChart:
    """A matrix of figures; rows and columns keep their order, repeated names apart."""
    across = columns if columns is not None else names
    down = [f"{i + 1} {name}".rstrip() for i, name in enumerate(names)]
    right = [f"{i + 1} {name}".rstrip() for i, name in enumerate(across)]
    rows = [
        {
            "row": down[i],
            "column": right[j],
            "value": round(value, 4),
            TOLD: f"{down[i]} × {right[j]}: {value:.3f}",
        }
        for i, line in enumerate(values)
        for j, value in enumerate(line)
    ]
    small = max(len(down), len(right)) > 14
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("column:N", sort=None, title=None, axis=alt.Axis(labelAngle=-45, orient="top")),
        y=alt.Y("row:N", sort=None, title=None),
        tooltip=TELL,
        description=TELL,
    )
    ramp = alt.Scale(domain=[low, high], range=["#f4f2ee", colour], clamp=True)
    layers = [base.mark_rect().encode(color=alt.Color("value:Q", scale=ramp, legend=None))]
    if not small:
        ink = alt.condition(
            f"datum.value > {low + 0.62 * (high - low)}",
            alt.value("#ffffff"),
            alt.value("#222b28"),
        )
        layers.append(
            base.mark_text(fontSize=13).encode(text=alt.Text("value:Q", format=".2f"), color=ink)
        )
    return finished(_layered(*layers), max(120, min(40, 560 // len(down)) * len(down)))


def paths(rows: Rows, colours: Mapping[str, str], now: int | None = None) -> alt.LayerChart:
    """Ways through a plane: rows of "across", "down", "step" and "path"."""
    told = [{**row, TOLD: f"{row['path']}: {row['step']}"} for row in rows]
    base = alt.Chart(_data(told)).encode(
        x=alt.X("across:Q", title=None, scale=alt.Scale(zero=False)),
        y=alt.Y("down:Q", title=None, scale=alt.Scale(zero=False)),
        order="step:Q",
        color=alt.Color("path:N", scale=alt.Scale(domain=[*colours], range=[*colours.values()])),
        tooltip=TELL,
        description=TELL,
    )
    size = alt.condition(f"datum.step == {now or -1}", alt.value(320), alt.value(70))
    return finished(
        _layered(
            base.mark_line(strokeWidth=2.5, opacity=0.7),
            base.mark_circle(opacity=1).encode(size=size),
        ),
        340,
    )


def schedule(trained: Points, asked: Points, now: int) -> alt.LayerChart:
    """The noise schedule of the training as a line, the levels that a run asks for as marks; that
    of the step `now` (from 1) is larger.
    """
    places = [{"x": x, "y": y} for x, y in trained]
    levels = [
        {"step": step, "x": x, "y": y, TOLD: f"{step}: {x:g}, {y:.4g}"}
        for step, (x, y) in enumerate(asked, 1)
    ]
    line = alt.Chart(_data(places)).mark_line(strokeWidth=3, color=QUIET)
    marks = alt.Chart(_data(levels)).mark_circle(color=NOISE)
    axes = {"x": alt.X("x:Q", title=None), "y": alt.Y("y:Q", title=None)}
    here = f"datum.step == {now}"
    size = alt.condition(here, alt.value(420), alt.value(90))
    shade = alt.condition(here, alt.value(1), alt.value(0.6))
    return finished(
        _layered(
            line.encode(**axes),
            marks.encode(**axes, size=size, opacity=shade, tooltip=TELL, description=TELL),
        ),
        280,
    )
