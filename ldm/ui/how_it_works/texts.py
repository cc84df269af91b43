"""Every text of the tab *How it works*, in one place. Knows no components.

What the panels explain stands in `panel_texts`.
"""

TAB = "How it works"
INTRO_TITLE = "Draw a picture, then look inside the drawing of it"
INTRO = (
    "Everything below is taken from your own run: your words, your seed, the model that is loaded. "
    "Nothing is staged."
)
EXPLAIN = "Draw and explain"
PREVIEW_ALT = "Preview of the picture being drawn"
STEP = "Step"
STEP_INFO = "One time axis for all panels: left is pure noise, right is the finished picture."
YOUR_PICTURE = "Your picture"
NOT_YET = "Your picture appears here, and the panels below open up."
DRAWING = "Drawing …"
WORKING = "Working …"
NOT_THIS_TASK = "Pictures that were enlarged cannot be explained: explain the small one instead."
START_GONE = (
    "The picture that this one started from is no longer kept (those of your latest runs are). "
    "Draw it once more, and then press “Explain this picture”."
)
STOPPED = "The run was stopped before its end."
WENT_WRONG = "Something went wrong here. It is not your input; please try again."
NO_RUN = "No run yet: write a caption above and press “Draw and explain”."
RUN_GONE = (
    "This run is no longer kept (only the latest are, so that memory suffices for all). "
    "Press “Draw and explain” to draw it again; the same seed gives the same picture."
)
TRY = "Try this"
MATHS = "In the maths"
OPEN_PICTURE = "Use a picture of yours"
USE_RUN = "Use the run's picture"
DRAW_AGAIN = "Draw again"
AS_IT_WAS = "As it was"


# Panel 1
GIVEN, CLEAN, NOISE = (
    "What the model is given",
    "the clean picture it expects",
    "the noise it finds",
)
GIVEN_ALT = "the noisy latents, decoded as if they were clean"
CLEAN_ALT = "the clean picture that the model expects"
NOISE_ALT = "the noise that the model found, decoded as if it were a picture"
FILM_STRIP = "What the model expected at each step"
FEW_STEPS = "Compare with 1, 2 and 4 steps"
SAME_NOISE = "The same noise and words, in fewer steps:"
ANIMATE = "Play it as a film"
FILM_ALT = "The expected picture from the first step to the last, as a film"
SAVE_FILM = "Save the film (WebP)"

# Panel 4
ALL_LAYERS = "all together"
WHICH_SIZE = "Resolution"
WHICH_SIZE_INFO = (
    "The network looks at several sizes; small maps see the layout, large ones the detail."
)
WORD_STEPS = "Over the steps"
ALL_WORDS = "Every word at this step (press one)"
WEIGHT = "How loud is the word?"
WEIGHT_INFO = "1 is as it was, 0 almost silences it, 2 doubles it."

BEGIN, END, PADDING = "⟨begin⟩", "⟨end⟩", "⟨padding⟩"
CAPTION_PARTS = "The caption as the model reads it, with each part's share of all attention"
WORDS_ONLY = "Choose a word of the caption first: begin, end and padding cannot be made louder."

# Panel 5
BLOCK_IN, BLOCK_MIDDLE = "in", "middle"
HEARS_WORDS = ", hears the words"
KEY_WORDS, KEY_SKIP = "hears the words", "skip connection"
PLAN = "The network: press a block"
PUTS_OUT = "what it puts out"
PCA = "Its main three directions as colours"
PCA_NOTE = "Like colours: like places, to this block."
PCA_ALT = "The block's feature map, its three main directions shown as red, green and blue"
NUMBERS_HERE = "weights in this block"
NUMBERS_ALL = "in the whole network"
NUMBERS_WORDS = "in its cross-attention"
SWITCH_OFF = "Switch off, and draw again with the same noise"
ALL_WORDS_OFF = "All words, everywhere"
NOTHING_SWITCHED = "Choose what to switch off first."
PLACES = "Where one place of the picture looks"
PLACES_NOTE = (
    "Self-attention lets every place ask every other. Press a place: light marks those it "
    "listens to, at each size of map."
)
LOOKED = "where the pressed place looks, as light on the picture"
CONVOLUTION = "What a convolution does, on your picture's own pixels"
NO_KERNEL = "No convolution of this autoencoder meets the picture's pixels themselves."
PATCH, KERNEL, PRODUCTS, EVERYWHERE = "a patch", "the kernel", "the products", "at every place"

# Panel 6
WAVES = "The timestep as waves: a row is a timestep, a column a wave"
WAVES_ALT = "Waves of the timestep embedding, this step's row marked"
THIS_ROW = "This step's row, number by number"
SCHEDULE_OF = "The training's noise levels, and where this run asks"
OTHER_SAMPLER = "Another sampler, from the same noise"
COMPARE = "Compare"
THIS_RUN = "this run"

# Panel 8
NOISE_LEVEL = "Noise (timestep of the training)"
NOISE_INFO = "0 is the clean picture, the far right is pure noise."
NOISED = "With noise"
GUESS = "The model's guess, in one step"
ORIGINAL = "The picture"
LOSS = "How far off the noise it names is, at each level"
BACK = "Draw back from here"
ERROR_HERE = "error at this level"
BACK_DONE = "Drawn back"
TOO_LITTLE = "There is nothing to draw back from a clean picture: add noise first."

# Panel 2
ROUND_TRIP = "There and back"
LATENT_CHANNELS = "The latents, channel by channel"
DECODED = "unpacked again"
ERROR_MAP = "what was lost"
COST = "What one step costs"
COST_NOTE = (
    "Counted, not guessed: the same network at the size of the latents and at the size of the "
    "pixels."
)
TIME_IT = "Time it on this machine"
TIMED = (
    "One evaluation, the quicker of two, on random numbers, while others may be drawing. Sizes "
    "that would take more than {limit} s are left to the count."
)
TIMED_SIZE, SECONDS, IN_TIME, IN_COUNT = "places", "seconds", "× the time", "× the operations"
WALK = "A walk between four pictures"
WALK_NOTE = "Press anywhere in the square."
IN_LATENTS, IN_PIXELS = "mixed as latents", "mixed as pixels"
PAD = "The square: each corner is one picture"
MAP = "A map of drawings"
MAP_NOTE = (
    "Each dot is one drawing, placed by its latents. Press any place: what lies there is unpacked."
)
MAP_HERE = "at this place"
IN_PICTURE, IN_LATENTS_COUNT, PACKED = "numbers in the picture", "in the latents", "packed"
OPERATIONS = "Operations of one evaluation"
LARGEST_MAP = "Bytes of the largest feature map"
ON_LATENTS, ON_PIXELS, TIMES = "on latents", "on pixels", "dearer"

# Panel 3
TOKENS = "The caption in tokens"
COSINES = "How alike the tokens' embeddings are (cosine), before they look at one another"
NEAREST = "Nearest in the list"
POSITIONS = "How alike the positions' embeddings are"
LOOKS = "Where the tokens look among themselves"
LAYER, HEAD = "Layer", "Head"
MEAN_OF_HEADS = "mean of all"
SWAP_FROM, SWAP_TO = "Swap this word", "for this one"
SWAP = "Swap and draw again"
NOTHING_TO_SWAP = "Write the new word first."
NO_TOKENS = "The caption is empty: there are no tokens to show."
NO_CLIP_TEXT = (
    "The text model of this checkpoint is not a CLIP model: this panel does not know its inside."
)
POSITIONS_NOTE = "Row and column are places 1, 2, 3 …; orange: alike. Neighbours are, mostly."

# Panel 9
CAPTIONS = "Captions, one a line"
CAPTIONS_INFO = "Up to 8; the run's own caption is the first."
OPENED = "your own picture"

# Panel 7
WITHOUT, WITH, GUIDED = "without words", "with words", "guided"
WITHOUT_ALT = "the clean picture that the model expects without the caption"
WITH_ALT = "the clean picture that the model expects with the caption"
GUIDED_ALT = "the sum: the guided clean picture"
DIFFERENCE = "the difference"
DIFFERENCE_ALT = "where the two predictions differ: light is much"
ONE_BATCH = "The same noise, drawn together in shared calls of the model:"
NOTHING_LEFT_OUT = "Write what to leave out first."
SWEEP_GUIDANCE = "Sweep the guidance"
SWEEP_STEPS = "Sweep the steps"
LEAVE_OUT = "Leave out"
LEAVE_OUT_INFO = "What the picture should not show; it takes the empty caption's place."
NO_GUIDANCE = "This run was drawn without guidance (1 is off): there is only one prediction."


def model_gone(name: str) -> str:
    return (
        f"The model “{name}” that drew this run is no longer loaded. "
        "Press “Draw and explain” to draw it with the one that is."
    )


def not_explained(name: str) -> str:
    return (
        f"“{name}” is a kind of model that these panels do not know: they need a text model and a "
        f"U-Net of Stable Diffusion's plan."
    )


def looks_at(word: str) -> str:
    return f"where the picture listens to {word}, as light on the picture"


def from_to(low: str, high: str) -> str:
    return f"{low} to {high} %"


def block_title(side: str, index: int) -> str:
    return f"{side} {index}"


def words_off(block: str) -> str:
    return f"The words, in “{block}”"


def skip_off(source: str, target: str) -> str:
    return f"The skip from “{source}” to “{target}”"


def convolution_note(stride: int) -> str:
    on = "1 pixel" if stride == 1 else f"{stride} pixels"
    return (
        "The first kernel that meets the picture, in the autoencoder: lay it over a patch, multiply"
        f" number by number, add everything up. The model then slides it on by {on}; the last "
        "picture shows the sum at every place."
    )


def millions(count: int) -> str:
    return f"{count / 1e6:.2f} million"


def sum_is(total: str) -> str:
    return f"sum, with bias: {total}"


def difference_of(size: str) -> str:
    return f"size {size}"


def left_out(words: str) -> str:
    return f"leaving out “{words}”"


def swapped(old: str, new: str) -> str:
    return f"“{old}” → “{new}”"


def no_such_word(word: str) -> str:
    return f"“{word}” is not in the caption."


def chunk_of(index: int, of: int, used: int, limit: int) -> str:
    return f"Chunk {index} of {of}: {used} of {limit} places used"


def nearest_to(token: str) -> str:
    return f"{NEAREST}: “{token}”"


def clip_needed(where: str) -> str:
    return (
        "This panel needs a CLIP model, which is not part of the app. Whoever runs it can name one "
        f"in {where}: a folder with config.json and model.safetensors, or a Hub id such as "
        "openai/clip-vit-base-patch32."
    )


def error_up_to(percent: str) -> str:
    return f"brightest: {percent} % of the range"


def plane_holds(percent: str) -> str:
    return f"The plane holds {percent} % of all their differences."


def signal_share(percent: str) -> str:
    return f"{percent} % signal"


def strength_is(strength: float, steps_left: int) -> str:
    return f"strength {strength:.2f}: {steps(steps_left)}"


def steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"


def guidance_of(scale: float) -> str:
    return f"guidance {scale:g}"


def step_line(step: int, of: int, sigma: str, ratio: str) -> str:
    return f"Step {step} of {of}: noise level σ = {sigma}, signal to noise {ratio} dB"


def drawn_in(seconds: float, steps: int) -> str:
    return f"Drawn in {seconds:.1f} s, {steps} steps recorded. Move the slider."


def thinned(every: int) -> str:
    return f"A long run: one step in {every} is kept, evenly spread."


def at_step(step: int) -> str:
    return f"step {step}"


def picture_alt(caption: str, seed: int) -> str:
    return f"{caption or 'Picture'} (seed {seed})"
