"""What a caption leaves open, left to chance: the button that writes alternatives into it.

The words are English, as captions are. Which alternative a picture takes is `ldm.alternatives`'
affair.
"""

from ldm.checkpoints.captions import words_in

LIGHT = "{at sunrise|in the daytime|at sunset|at dusk|at night}"
WEATHER = "{in the rain|in the snow|in the mist|}"
# A caption with one of these words has said it already.
LIGHT_WORDS = frozenset(
    words_in(
        "afternoon dark darkness dawn day daylight daytime dusk evening hour light midday "
        "midnight moon moonlight moonlit morning night noon sun sunlight sunlit sunny sunrise "
        "sunset sunsets twilight"
    )
)
WEATHER_WORDS = frozenset(
    words_in(
        "clear cloud clouds cloudless cloudy drizzle fog foggy hazy mist misty overcast rain "
        "raining rainy snow snowfall snowing snowy storm stormy sunny thunderstorm weather wet"
    )
)


def left_to_chance(caption: str) -> str:
    """The caption with alternatives for light and weather, where it says nothing of them."""
    words = {part for word in words_in(caption) for part in word.split("-")}
    added = [
        alternatives
        for alternatives, known in ((LIGHT, LIGHT_WORDS), (WEATHER, WEATHER_WORDS))
        if not words & known
    ]
    return " ".join([caption.strip(), *added])
