"""A teacher's link: which lesson it opens, what is set, what students may change, and caps.

Owns the link's names (`?lesson=noise&caption=...&free=seed&max_steps=20`) and their checks: a value
that cannot be used is named, with what is allowed. Does not know the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from ldm.diffusion import SAMPLERS
from ldm.engine import Engine
from ldm.recipe import LIMITS, MAX_PROMPT_CHARACTERS, Described, Recipe, RecipeError
from ldm.ui.form import whole
from ldm.ui.how_it_works.contents import PANELS
from ldm.ui.texts import TEXT_EXAMPLES

# Each panel but the last has a lesson of its name.
LESSON_NAMES = tuple(name for name in PANELS if name != "matching")
# What a link may set: its name there -> the recipe's.
SETTINGS: Mapping[str, str] = {
    "caption": "prompt",
    "seed": "seed",
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "sampler": "sampler",
    "model": "model",
}
CAPS = ("max_steps", "max_size")
NAMES = ("lesson", *SETTINGS, "free", *CAPS, "class")
MAX_LINK_CHARACTERS = 8000
MAX_CODE_CHARACTERS = 40
FIRST_SEED = 1


@dataclass(frozen=True)
class Terms:
    """Under which terms a visitor draws in *How it works*; the plain `Terms()` leaves all open.

    settings: recipe field -> value; free: the link's names of what may be changed. max_size: pixels
    of the longer side. code: of the class, "" for none.
    """

    lesson: str = ""
    settings: Mapping[str, str | int | float] = field(default_factory=dict)
    free: tuple[str, ...] = tuple(SETTINGS)
    max_steps: int | None = None
    max_size: int | None = None
    code: str = ""

    @property
    def alone(self) -> bool:
        """Whether a link opened one lesson, and nothing else is shown."""
        return bool(self.lesson)

    def may_change(self, name: str) -> bool:
        return name in self.free

    def check(self, recipe: Recipe) -> None:
        """Raises RecipeError for what the link does not allow."""
        for name, own in SETTINGS.items():
            value, set_to = getattr(recipe, own), self.settings.get(own)
            if not self.may_change(name) and set_to is not None and value != set_to:
                raise RecipeError(own, value, f"{set_to}, which this lesson has set")
        steps = recipe.num_inference_steps
        if self.max_steps is not None and steps > self.max_steps:
            allowed = f"at most {self.max_steps} in this lesson"
            raise RecipeError("num_inference_steps", steps, allowed)
        side = max(recipe.width, recipe.height)
        if self.max_size is not None and side > self.max_size:
            raise RecipeError("width", side, f"at most {self.max_size} in this lesson")

    def size(self, engine: Engine, model: str) -> tuple[int, int]:
        """(width, height) to draw at: the model's own, or its largest preset within the cap.

        Raises RecipeError where it has none.
        """
        defaults = engine.defaults(model)
        sizes = dict.fromkeys([defaults.native_size, *defaults.sizes])
        if self.max_size is None:
            return defaults.native_size
        fitting = [size for size in sizes if max(size) <= self.max_size]
        if not fitting:
            least = min(max(size) for size in sizes)
            raise RecipeError("max_size", self.max_size, f"at least {least} for {model}")
        return max(fitting, key=lambda size: (size[0] * size[1], size[0] == size[1]))

    def query(self) -> str:
        """The link's part behind the question mark."""
        pairs: list[tuple[str, object]] = [("lesson", self.lesson)]
        names = {own: name for name, own in SETTINGS.items()}
        pairs += [(names[own], value) for own, value in self.settings.items()]
        pairs.append(("free", ",".join(self.free)))
        caps = (("max_steps", self.max_steps), ("max_size", self.max_size))
        pairs += [(name, value) for name, value in caps if value is not None]
        if self.code:
            pairs.append(("class", self.code))
        return urlencode(pairs)


def _choice(name: str, text: str, allowed: Sequence[str]) -> str:
    if text not in allowed:
        raise RecipeError(name, text, ", ".join(allowed))
    return text


def _number(name: str, text: str, own: str) -> int | float:
    """A number within the limits of the recipe's field `own`."""
    limit = LIMITS[own]
    try:
        value = int(text) if whole(own) else float(text)
    except ValueError:
        raise RecipeError(name, text, str(limit)) from None
    if not limit.minimum <= value <= limit.maximum:
        raise RecipeError(name, text, str(limit))
    return value


def _setting(engine: Engine, name: str, text: str) -> str | int | float:
    match name:
        case "caption":
            if not 0 < len(text) <= MAX_PROMPT_CHARACTERS:
                raise RecipeError(name, text, f"1 to {MAX_PROMPT_CHARACTERS} characters")
            return text
        case "sampler":
            return _choice(name, text, [*SAMPLERS])
        case "model":
            return _choice(name, text, engine.names())
    return _number(name, text, SETTINGS[name])


def _settled(
    engine: Engine, given: Mapping[str, str | int | float]
) -> dict[str, str | int | float]:
    """Every setting: as given, else as the model's files say."""
    model = str(given.get("model", engine.names()[0]))
    defaults = engine.defaults(model)
    return {
        "prompt": TEXT_EXAMPLES[0],
        "seed": FIRST_SEED,
        "num_inference_steps": defaults.num_inference_steps,
        "guidance_scale": float(defaults.guidance_scale),
        "sampler": defaults.sampler,
        "model": model,
        **given,
    }


def read_terms(engine: Engine, query: str) -> Terms | None:
    """What a link says; None where it is no lesson's. Raises RecipeError with the name in the link
    of what cannot be used.
    """
    pairs = parse_qsl(query[:MAX_LINK_CHARACTERS].lstrip("?"), keep_blank_values=True)
    said = {name: text for name, text in pairs if not name.startswith("__")}  # Gradio's own
    if "lesson" not in said:
        return None
    if len(query) > MAX_LINK_CHARACTERS:
        raise RecipeError("link", query, f"at most {MAX_LINK_CHARACTERS} characters")
    for name in said:
        if name not in NAMES:
            raise RecipeError("link", name, ", ".join(NAMES))
        if sum(each == name for each, _ in pairs) > 1:
            raise RecipeError(name, Described("more than one"), "one")
    lesson = _choice("lesson", said["lesson"], LESSON_NAMES)
    given = {own: _setting(engine, n, said[n]) for n, own in SETTINGS.items() if n in said}
    free = [part for part in said.get("free", "").split(",") if part]
    for part in free:
        _choice("free", part, [*SETTINGS])
    fields = {"max_steps": "num_inference_steps", "max_size": "width"}
    caps = {n: int(_number(n, said[n], fields[n])) for n in CAPS if n in said}
    code = said.get("class", "")
    if len(code) > MAX_CODE_CHARACTERS:
        raise RecipeError("class", code, f"at most {MAX_CODE_CHARACTERS} characters")
    settings = _settled(engine, given)
    terms = Terms(lesson, settings, tuple(free), caps.get("max_steps"), caps.get("max_size"), code)
    terms.size(engine, str(settings["model"]))
    if terms.max_steps is not None and int(settings["num_inference_steps"]) > terms.max_steps:
        if "steps" in said:
            allowed = f"at most max_steps, {terms.max_steps}"
            raise RecipeError("steps", said["steps"], allowed)
        settings["num_inference_steps"] = terms.max_steps
    return terms
