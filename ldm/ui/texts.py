"""Every text a visitor reads, in one place. Knows no components and no markup."""

TITLE = "Latent Diffusion"
TAGLINE = "Describe a place and watch it appear."

TEXT_TAB = "Text to image"
SKETCH_TAB = "Sketch to image"
INPAINT_TAB = "Inpainting"

PROMPT = "Describe the picture"
PROMPT_PLACEHOLDER = "a fishing village by the sea at sunset"
SKETCH_PROMPT = "What does the sketch show?"
INPAINT_PROMPT = "What should appear under the mask?"
GENERATE = "Generate"
STOP = "Stop"
KEYS_HINT = "Ctrl + Enter generates, Esc stops"

EXAMPLES = "Try one of these"
TEXT_EXAMPLES = (
    "a man boating on a lake surrounded by mountains at twilight",
    "a tea garden with mist in the early morning",
    "a rainy evening in a city street",
    "a lighthouse by the sea under a clear night sky",
    "a snowy village at night",
)

SETTINGS = "Settings"
MODEL = "Model"
SIZE = "Size"
CUSTOM_SIZE = "Custom"
WIDTH = "Width"
HEIGHT = "Height"
NUM_IMAGES = "Pictures"
NEGATIVE_PROMPT = "Leave out"
NEGATIVE_PROMPT_INFO = "What the picture should not show (negative prompt)"
STEPS = "Steps"
STEPS_INFO = "More steps take longer and settle more detail"
GUIDANCE = "Guidance"
GUIDANCE_INFO = "How closely to follow the words; 1 is off"
GUIDANCE_RESCALE = "Guidance rescale"
GUIDANCE_RESCALE_INFO = "Tames harsh contrast at high guidance; 0 is off"
SAMPLER = "Sampler"
SCHEDULE = "Schedule"
SEED = "Seed"
RANDOMISE = "New seed each time"
STRENGTH = "Strength"
FEATHER = "Soft edge"
FEATHER_INFO = "Pixels over which the new part blends into the old"

SHAPES = ("square", "wide", "tall")

# Strength in words: (up to and including, words).
SKETCH_STRENGTH_WORDS = (
    (0.3, "Keeps your drawing almost as it is"),
    (0.5, "Tidies your drawing"),
    (0.7, "Follows your shapes and colours"),
    (0.85, "Takes your drawing as a hint"),
    (1.0, "Hardly looks at your drawing"),
)
INPAINT_STRENGTH_WORDS = (
    (0.3, "Retouches what is there"),
    (0.6, "Changes it, keeping shapes"),
    (0.85, "Paints something new that fits the colours"),
    (1.0, "Paints something new"),
)

# The easel
SKETCH_TITLE = "Your sketch"
MASK_TITLE = "Your picture"
SKETCH_CANVAS = "Your sketch: draw with mouse, pen or finger"
MASK_CANVAS = "Your picture: brush over what should be repainted"
BRUSH = "Brush"
FILL = "Fill an area"
ERASER = "Eraser"
UNDO = "Undo"
REDO = "Redo"
CLEAR_SKETCH = "Clear the drawing"
CLEAR_MASK = "Clear the mask"
INVERT = "Invert the mask"
BRUSH_SIZE = "Brush size"
BRUSH_SIZES = ("Fine", "Medium", "Broad", "Very broad")
OWN_COLOUR = "Another colour"
COLOURS = (
    ("#9cc8e8", "Sky blue"),
    ("#2f6f9f", "Water blue"),
    ("#1d2b4f", "Night blue"),
    ("#f0a35c", "Sunset orange"),
    ("#e9d5a1", "Sand"),
    ("#7a5a3c", "Earth brown"),
    ("#7fae54", "Meadow green"),
    ("#2f5d3a", "Forest green"),
    ("#8b8f96", "Stone grey"),
    ("#ffffff", "White"),
    ("#22262b", "Black"),
)
OPEN_PICTURE = "Open a picture"
NEW_SHEET = "New sheet"
DROP_HERE = "Open a picture, or drop one here"
DRAW_HERE = "Draw here"
MASK_READ_EMPTY = "No mask yet: brush over the part that should change."

# The stage
STAGE_EMPTY = "Your picture appears here"
SEED_SHOWN = "Seed"
DOWNLOAD = "Download PNG"
RECIPE = "Recipe"
RECIPE_NOTE = (
    "The PNG carries this recipe: with the same model it draws the same picture again. "
    "Pictures you open stay with you; the recipe holds only their fingerprints."
)
PREVIEW_ALT = "Preview of the picture being drawn"
MASK_USED = "Mask as used"

READY = "Ready"
STARTING = "Starting"
PROGRESS = "Progress of the picture"
NOT_STARTED = "Not started"
PROBLEM_ELSEWHERE = "Something went wrong while drawing. It is not your input; please try again."

FIELDS = {
    "prompt": "Caption",
    "negative_prompt": NEGATIVE_PROMPT,
    "model": MODEL,
    "width": WIDTH,
    "height": HEIGHT,
    "num_images": NUM_IMAGES,
    "num_inference_steps": STEPS,
    "guidance_scale": GUIDANCE,
    "guidance_rescale": GUIDANCE_RESCALE,
    "clip_skip": "CLIP skip",
    "sampler": SAMPLER,
    "schedule": SCHEDULE,
    "seed": SEED,
    "strength": STRENGTH,
    "mask_feather": FEATHER,
    "init_image": "Picture",
    "mask": "Mask",
}
# Plain sentences for what is simply missing
EMPTY_PROMPT = "Caption: write a few words about the picture first."
EMPTY_SKETCH = "Picture: draw something first, or open a picture."
NO_PICTURE = "Picture: open a picture first."
EMPTY_MASK = "Mask: brush over the part of the picture that should change."


def size_title(width: int, height: int) -> str:
    shape = SHAPES[0] if width == height else SHAPES[1] if width > height else SHAPES[2]
    return f"{width} × {height} {shape}"


def model_line(title: str, licence: str) -> str:
    return f"{title} ({licence})"


def strength_in_words(strength: float, words: tuple[tuple[float, str], ...]) -> str:
    return next((text for limit, text in words if strength <= limit), words[-1][1])


def time_left(seconds: float) -> str:
    if seconds < 1:
        return "almost done"
    if seconds < 90:
        return f"about {round(seconds)} s left"
    return f"about {round(seconds / 60)} min left"


def queued(before: int, seconds: float | None) -> str:
    place = f"Waiting, {before} before you" if before else "Starting"
    if not before or seconds is None:
        return place
    return f"{place}, {time_left(seconds).removesuffix(' left')}"


def step_of(step: int, steps: int, seconds_left: float | None) -> str:
    line = f"Step {step} of {steps}"
    return line if seconds_left is None or step == steps else f"{line}, {time_left(seconds_left)}"


def spoken(percent: int) -> str:
    return f"Drawing, {percent}%"


def stopped(step: int, steps: int) -> str:
    return f"Stopped at step {step} of {steps}"


def done(seconds: float) -> str:
    return f"Done in {seconds:.1f} s"


def picture_alt(caption: str, seed: int) -> str:
    return f"{caption or 'Picture'} (seed {seed})"


def field_name(field: str) -> str:
    return FIELDS.get(field, field.replace("_", " ").capitalize())


def problem(field: str, got_and_allowed: str) -> str:
    return f"{field_name(field)}: {got_and_allowed}."


def mask_read(share: float, feather: int) -> str:
    percent = f"{share:.0%}"
    if 0.99 < share < 1:
        percent = "more than 99%"
    if share < 0.01:
        percent = "less than 1%"
    edge = f", with a soft edge of {feather} pixels" if feather else ""
    return f"The mask as read: {percent} of the picture will be repainted{edge}."


def changed_outside(pixels: int) -> str:
    return f"Changed outside the mask: {pixels} pixels"


def opened(width: int, height: int, notes: tuple[str, ...]) -> str:
    return "; ".join((f"Opened a picture of {width} × {height}", *notes)) + "."


def reduced(width: int, height: int) -> str:
    return f"reduced to {width} × {height}"
