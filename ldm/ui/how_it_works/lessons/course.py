"""The eight lessons, in their order: which panel, which step, what is measured, which terms.

Their words stand in `assets/lessons/`.
"""

from ldm.ui.how_it_works.lessons import on_network, on_noise, on_words
from ldm.ui.how_it_works.lessons.measuring import from_recording
from ldm.ui.how_it_works.lessons.walk import Lesson, Question

_ALL = (
    Lesson(
        "noise",
        (
            Question(
                "noise",
                from_recording(on_noise.first_guess),
                terms=("noise", "step", "guess"),
                at=0.0,
            ),
            Question("noise", from_recording(on_noise.busiest_third), at=0.33),
            Question(
                "noise",
                from_recording(on_noise.noise_half_way),
                terms=("variance", "sigma"),
                at=0.5,
            ),
        ),
    ),
    Lesson(
        "latents",
        (
            Question("latents", from_recording(on_network.how_packed), terms=("latents", "coder")),
            Question("latents", from_recording(on_network.where_it_is_lost)),
            Question("latents", from_recording(on_network.price_of_pixels), terms=("operation",)),
        ),
    ),
    Lesson(
        "words",
        (
            Question("words", from_recording(on_words.tokens_and_words), terms=("token",)),
            Question(
                "words",
                from_recording(on_words.looking_ahead),
                terms=("embedding", "attention"),
            ),
            Question("words", on_words.swapped_word, terms=("seed",), sets={"swap-to": "snow"}),
        ),
    ),
    Lesson(
        "looks",
        (
            Question(
                "looks",
                from_recording(on_words.most_looked_at),
                terms=("cross", "padding"),
                at=0.5,
            ),
            Question("looks", from_recording(on_words.narrower), at=0.1),
            Question(
                "looks",
                on_words.louder_word,
                terms=("weight",),
                at=0.9,
                sets={"looks-weight": on_words.LOUDER},
            ),
        ),
    ),
    Lesson(
        "network",
        (
            Question(
                "network",
                from_recording(on_network.channels_below),
                terms=("network", "channel"),
                at=0.5,
            ),
            Question("network", on_network.skips_cut, terms=("skip",), at=0.5),
            Question(
                "network",
                on_network.without_words,
                at=0.5,
                sets={"switch-off": on_network.ALL_WORDS},
            ),
        ),
    ),
    Lesson(
        "time",
        (
            Question("time", from_recording(on_noise.fast_waves), terms=("timestep",), at=0.5),
            Question("time", from_recording(on_noise.where_it_asks), terms=("schedule",), at=0.5),
            Question("time", on_noise.other_sampler, terms=("sampler", "decibel"), at=0.5),
        ),
    ),
    Lesson(
        "guidance",
        (
            Question(
                "guidance",
                from_recording(on_words.how_often_asked),
                terms=("guidance",),
                at=0.5,
            ),
            Question("guidance", from_recording(on_words.loudest_third), at=0.2),
            Question("guidance", on_words.much_guidance, at=0.8),
        ),
    ),
    Lesson(
        "both_ways",
        (
            Question(
                "both_ways",
                from_recording(on_noise.signal_half_way),
                terms=("training",),
                sets={"noise-level": 500},
            ),
            Question(
                "both_ways",
                from_recording(on_noise.hardest_level),
                terms=("loss",),
                sets={"noise-level": 100},
            ),
            Question(
                "both_ways",
                on_noise.kept_of_it,
                terms=("strength",),
                sets={"noise-level": 700},
            ),
        ),
    ),
)
LESSONS = {lesson.name: lesson for lesson in _ALL}
