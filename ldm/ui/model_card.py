"""What a visitor should know of a model before choosing it, read without loading it."""

from pathlib import Path

from ldm.collection import weights_bytes
from ldm.engine import Engine
from ldm.ui.texts import Figure, Markup, markup, say

MEGABYTE = 1024 * 1024


def weights_size(path: Path) -> Figure:
    """How much the weights weigh: about what they take of the memory."""
    megabytes = weights_bytes(path) / MEGABYTE
    return Figure(f"{megabytes / 1024:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB")


def model_facts(engine: Engine, model: str) -> Markup:
    """One line: family, native size, weight, licence."""
    defaults = engine.defaults(model)
    width, height = defaults.native_size
    facts = say(
        "model_facts",
        family=engine.family(model).title,
        width=width,
        height=height,
        weights=weights_size(engine.folder(model)),
        licence=defaults.licence,
    )
    return Markup(f"<p>{markup(facts)}</p>")
