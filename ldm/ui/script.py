"""The page's own script and style: files in `assets/page/`, put together here.

The parts of the page's script stand in one scope, in this order; each may use what stands before
it. Nothing is fetched from elsewhere.
"""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "page"
SHEETS = ("page", "stage", "easel", "history", "how_it_works", "lessons")
STYLES = [FOLDER / f"{name}.css" for name in SHEETS]
PARTS = (
    "words",
    "keys",
    "faults",
    "png",
    "zip",
    "visit",
    "store",
    "results",
    "recipes",
    "history",
    "lessons",
    "comfort",
    "watch",
)


def part(name: str) -> str:
    """One script, such as a component's own."""
    return (FOLDER / f"{name}.js").read_text(encoding="utf-8")


def page_script() -> str:
    """What `launch` runs once the page is there: a function."""
    return "() => {\n" + "\n".join(map(part, PARTS)) + "\n}"
