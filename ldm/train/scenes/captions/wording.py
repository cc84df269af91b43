"""The words for times of day, weathers and what else is to be seen. No grammar."""


def of(phrases: str) -> tuple[str, ...]:
    """The phrases of a text in which they are parted by semicolons; line breaks count as spaces."""
    return tuple(" ".join(phrase.split()) for phrase in phrases.split(";"))


# How a time may be put. "sky" phrases need a clear, open sky; "nouns" are for "a misty morning".
TIME_PHRASES: dict[str, tuple[str, ...]] = {
    "dawn": of(
        """at dawn; at dawn; in the early morning; in the early morning; at sunrise; at daybreak;
        early in the morning; at first light; in the pale morning light; at the break of day"""
    ),
    "day": of(
        """during the day; in the daytime; by day; at noon; at midday; in the afternoon; in the
        middle of the day; in daylight"""
    ),
    "sunset": of(
        """at sunset; at sunset; in the evening; at golden hour; at sundown; in the glow of sunset;
        in the evening light; in warm evening light"""
    ),
    "twilight": of(
        """at twilight; at twilight; at dusk; at dusk; in the evening; in the late evening; in the
        blue hour; after sunset; at nightfall; in the fading light"""
    ),
    "night": of(
        """at night; at night; late at night; in the night; in the dark; after dark; at midnight"""
    ),
}
SKY_PHRASES: dict[str, tuple[str, ...]] = {
    "dawn": of(
        """as the sun rises; under a pale pink sky; just after sunrise; under a peach coloured sky;
        in the first sunlight"""
    ),
    "day": of(
        """on a sunny day; under a blue sky; in bright sunshine; on a clear day; in the sunshine;
        under a clear blue sky; on a bright sunny day; on a fine day"""
    ),
    "sunset": of(
        """under an orange sky; as the sun goes down; as the sun sets; with the sky glowing orange;
        under a red and gold sky; against an orange sunset"""
    ),
    "twilight": of(
        """under a purple sky; under a violet sky; with a pink and purple sky; under the first
        stars"""
    ),
    "night": of(
        """under a starry sky; in the moonlight; under the stars; by moonlight; under the moon; on
        a moonlit night; on a starry night; under a dark blue sky full of stars"""
    ),
}
MOON_SHAPES: dict[str, tuple[str, ...]] = {
    "full": ("under a full moon", "with a full moon", "under a round moon"),
    "crescent": ("under a crescent moon", "with a crescent moon", "under a thin moon"),
    "milky_way": ("under the milky way", "with the milky way overhead", "beneath the milky way"),
}
TIME_NOUNS: dict[str, tuple[str, ...]] = {
    "dawn": ("early morning", "morning", "dawn", "sunrise"),
    "day": ("day", "afternoon"),
    "sunset": ("evening", "sunset", "evening"),
    "twilight": ("evening", "twilight", "dusk", "late evening"),
    "night": ("night", "night"),
}
ON_A = ("morning", "day", "afternoon", "evening", "night")  # "on a misty morning"
TIME_TAGS: dict[str, tuple[str, ...]] = {
    "dawn": ("dawn", "early morning", "sunrise", "daybreak"),
    "day": ("day", "daytime", "daylight"),
    "sunset": ("sunset", "evening", "golden hour", "orange sky"),
    "twilight": ("twilight", "dusk", "evening", "blue hour"),
    "night": ("night", "late night", "dark"),
}

# Weather said of the place ("covered in mist"), or of the whole ("in the mist").
ATTACHED: dict[str, tuple[str, ...]] = {
    "cloudy": ("with clouds above", "with heavy clouds overhead", "with a sky full of clouds"),
    "mist": of(
        """with mist; with mist; covered in mist; wrapped in fog; shrouded in mist; veiled by mist;
        with drifting fog; hidden in haze; with low mist"""
    ),
    "rain": ("with rain falling", "drenched in rain", "soaked by rain", "with rain pouring down"),
    "snow": of(
        """covered in snow; with falling snow; blanketed in snow; with snow falling; white with
        snow"""
    ),
}
FREE: dict[str, tuple[str, ...]] = {
    "cloudy": of(
        """under a cloudy sky; under an overcast sky; beneath heavy clouds; in cloudy weather;
        under thick clouds"""
    ),
    "mist": of(
        """in the mist; in the fog; in thick fog; in the haze; in misty weather; in a light mist"""
    ),
    "rain": of(
        """in the rain; in the rain; in heavy rain; in pouring rain; during a shower; while it
        rains; during a downpour; in rainy weather; in a rainstorm"""
    ),
    "snow": of(
        """in the snow; in winter; during a snowfall; while it snows; in falling snow; in a
        snowstorm; in snowy weather"""
    ),
}
MORNING_MIST = ("in the morning mist", "in morning fog", "covered in morning haze")
ADJECTIVES: dict[str, tuple[str, ...]] = {
    "clear": ("clear", "calm", "quiet", "peaceful", "beautiful", "mild"),
    "cloudy": ("cloudy", "overcast", "gloomy"),
    "mist": ("misty", "foggy", "hazy", "misty"),
    "rain": ("rainy", "wet", "rainy"),
    "snow": ("snowy", "wintry", "snowy"),
}
UNSAID = ("quiet", "still", "silent")  # fits every weather
PLACE_ADJECTIVES: dict[str, tuple[str, ...]] = {
    "mist": ("misty", "foggy", "hazy"),
    "rain": ("rainy", "wet", "rain-soaked"),
    "snow": ("snowy", "wintry", "snow-covered", "white"),
}
WEATHER_TAGS: dict[str, tuple[str, ...]] = {
    "cloudy": ("cloudy", "clouds", "overcast"),
    "mist": ("mist", "fog", "misty", "haze"),
    "rain": ("rain", "rainy", "shower"),
    "snow": ("snow", "snowy", "winter", "snowfall"),
}

# What else is to be seen, said at the end.
EXTRAS: dict[str, tuple[str, ...]] = {
    "birds": of(
        """with birds in the sky; with birds flying above; with a flock of birds; and flying birds;
        while birds fly past; with birds soaring overhead"""
    ),
    "rainbow": ("with a rainbow", "under a rainbow", "and a rainbow in the sky"),
    "flowers": ("with flowers", "with colourful flowers", "and many flowers"),
    "autumn": ("in autumn", "with autumn trees", "in fall"),
}
EXTRA_TAGS: dict[str, str] = {
    "birds": "birds",
    "rainbow": "rainbow",
    "flowers": "flowers",
    "autumn": "autumn",
    "crescent": "crescent moon",
    "milky_way": "milky way",
}
