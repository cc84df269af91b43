"""The markup that panels are made of: captioned pictures, strips, chips, figures with their unit.

Owns how things look side by side; pictures travel inside the page, so none becomes a file. Does not
know what is shown.
"""

import base64
import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from ldm.ui.stage import data_url
from ldm.ui.texts import Figure, Filling, Markup, Text, attributes, filled, markup

SMALL = 96  # pixels: what is at most so wide is shown cell by cell, and travels without loss


def data_uri(data: bytes, kind: str) -> str:
    """`data` inside a URL; kind: its MIME type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def source(image: Image.Image) -> str:
    """`image` inside a URL: small ones as PNG, exact; others as JPEG."""
    if max(image.size) > SMALL:
        return data_url(image, 88)
    data = BytesIO()
    image.save(data, "PNG")
    return data_uri(data.getvalue(), "image/png")


@dataclass(frozen=True)
class Shown:
    """A picture with its words. kind: what it is of, which gives its frame the colour of that:
    "picture", "noise", "latents", "words", "guidance" or "" for none. choice: what is told when it
    is pressed. alt: plain words, or the attribute itself (`named`).
    """

    image: Image.Image
    alt: str
    title: str = ""
    note: str = ""
    kind: str = ""
    choice: str | int | None = None
    chosen: bool = False


def figure(shown: Shown) -> str:
    cells = " data-cells" if max(shown.image.size) <= SMALL else ""
    plain = f' alt="{html.escape(shown.alt)}"'
    alt = shown.alt if isinstance(shown.alt, Markup) else plain
    image = f'<img src="{source(shown.image)}"{alt}{cells} draggable="false">'
    if shown.choice is not None:
        image = (
            f'<button type="button" data-choice="{html.escape(str(shown.choice))}" '
            f'aria-pressed="{str(shown.chosen).lower()}">{image}</button>'
        )
    title = f"<b>{markup(shown.title)}</b>" if shown.title else ""
    note = f"<span>{markup(shown.note)}</span>" if shown.note else ""
    words = f"<figcaption>{title}{note}</figcaption>" if title or note else ""
    return f'<figure data-kind="{shown.kind}">{image}{words}</figure>'


def named(key: str, **values: Filling) -> Markup:
    """A picture's words where nobody sees it."""
    return attributes({"alt": key}, **values)


def titled(image: Image.Image, text: Text, note: str = "", kind: str = "") -> Shown:
    """A picture whose title says all there is to say of it."""
    return Shown(image, named(text.key, **text.values), filled(text), note, kind)


def pictures(items: Iterable[Shown], least: int = 150) -> str:
    """Pictures side by side, each at least so many pixels wide, as many a line as there is room."""
    return (
        f'<div class="how-pictures" style="--least:{least}px">{"".join(map(figure, items))}</div>'
    )


def strip(items: Iterable[Shown], label: str) -> str:
    """Pictures in one line that scrolls. label: the text that names it."""
    name = attributes({"aria-label": label})
    return f'<div class="how-strip" role="group"{name}>{"".join(map(figure, items))}</div>'


def sum_of(items: Sequence[Shown], signs: Sequence[str]) -> str:
    """Pictures in one line with a sign between each two."""
    parts = [figure(items[0])]
    for sign, item in zip(signs, items[1:], strict=True):
        parts += [f'<span class="how-sign">{markup(sign)}</span>', figure(item)]
    return f'<div class="how-sum">{"".join(parts)}</div>'


def number(value: float, digits: int = 3) -> Figure:
    """A figure to so many digits, as people write it."""
    if math.isinf(value):
        return Figure("∞" if value > 0 else "−∞")
    if value != 0 and (abs(value) >= 1e6 or abs(value) < 1e-4):
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        return Figure(f"{mantissa} × 10{_raised(int(exponent))}".replace("-", "−"))
    size = math.floor(math.log10(abs(value))) if value else 0
    decimals = 0 if isinstance(value, int) else max(0, digits - 1 - size)
    return Figure(f"{value:,.{decimals}f}".replace(",", " ").replace("-", "−"))


def _raised(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def facts(values: Iterable[tuple[str, str]]) -> str:
    """Names and figures in a line."""
    rows = "".join(
        f"<div><dt>{markup(name)}</dt><dd>{markup(value)}</dd></div>" for name, value in values
    )
    return f'<dl class="how-facts">{rows}</dl>'


def heading(text: str, note: str = "") -> str:
    words = f"<p>{markup(note)}</p>" if note else ""
    return f'<div class="how-heading"><h3>{markup(text)}</h3>{words}</div>'


def said(text: str) -> str:
    """A sentence by itself."""
    return f'<p class="how-said">{markup(text)}</p>'


def problem(text: str) -> str:
    return f'<p class="ldm-problem" role="alert">{markup(text)}</p>'


@dataclass(frozen=True)
class Chip:
    """A word to press. kind: "token", "begin" ...; level: 0..1, how strongly it is filled."""

    text: str
    choice: str
    note: str = ""
    kind: str = "token"
    level: float = 0.0
    chosen: bool = False


def chips(items: Iterable[Chip], label: str) -> str:
    """Words in a row. label: the text that names it."""
    name = attributes({"aria-label": label})
    buttons = "".join(
        f'<button type="button" data-choice="{html.escape(chip.choice)}" data-kind="{chip.kind}" '
        f'aria-pressed="{str(chip.chosen).lower()}" style="--level:{chip.level:.3f}">'
        f"<b>{markup(chip.text)}</b>"
        f"{f'<span>{markup(chip.note)}</span>' if chip.note else ''}</button>"
        for chip in items
    )
    return f'<div class="how-chips" role="group"{name}>{buttons}</div>'


# Tells which choice was pressed. The listener stands on the element, which stays when what is in it
# is drawn anew.
CHOOSE = """
const choose = (event) => {
  const button = event.target.closest('[data-choice]');
  if (!button || !element.contains(button)) return;
  const box = button.getBoundingClientRect();
  // A press by keyboard has no place: the middle.
  const at = (place, start, size) => (event.detail ? (place - start) / size : 0.5);
  const across = at(event.clientX, box.left, box.width);
  const down = at(event.clientY, box.top, box.height);
  button.style.setProperty('--across', `${100 * across}%`);
  button.style.setProperty('--down', `${100 * down}%`);
  trigger('select', { choice: button.dataset.choice, across, down });
};
element.addEventListener('click', choose);
// What is a button inside a drawing has to be told the keys.
element.addEventListener('keydown', (event) => {
  if (event.target.tagName !== 'g' || !['Enter', ' '].includes(event.key)) return;
  event.preventDefault();
  choose(event);
});
"""
