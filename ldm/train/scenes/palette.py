"""Colours and light: what each time of day and weather does to sky, ground and distance.

Knows nothing of shapes or canvases. A colour is three floats, red, green, blue, 0 to 1.
"""

from dataclasses import dataclass

Colour = tuple[float, float, float]

WHITE: Colour = (1.0, 1.0, 1.0)
SNOW: Colour = (0.95, 0.97, 1.0)

TIMES = ("dawn", "day", "sunset", "twilight", "night")
WEATHERS = ("clear", "cloudy", "mist", "rain", "snow")

PAINTS: dict[str, Colour] = {
    "red": (0.86, 0.16, 0.15),
    "orange": (0.96, 0.53, 0.12),
    "yellow": (0.97, 0.82, 0.20),
    "green": (0.20, 0.58, 0.30),
    "blue": (0.16, 0.38, 0.82),
    "purple": (0.52, 0.26, 0.68),
    "pink": (0.95, 0.50, 0.66),
    "white": (0.96, 0.95, 0.93),
}


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`a` at share 0, `b` at share 1."""
    return (
        a[0] + (b[0] - a[0]) * share,
        a[1] + (b[1] - a[1]) * share,
        a[2] + (b[2] - a[2]) * share,
    )


def tint(a: Colour, b: Colour) -> Colour:
    """Channel by channel product: surface colour `a` in light of colour `b`."""
    return (a[0] * b[0], a[1] * b[1], a[2] * b[2])


def scaled(a: Colour, factor: float) -> Colour:
    return (a[0] * factor, a[1] * factor, a[2] * factor)


@dataclass(frozen=True)
class Light:
    """A scene's light. `sun_height` is a share of the sky's height, `darkness` 0 (noon) to 1."""

    time: str
    weather: str
    top: Colour
    middle: Colour
    horizon: Colour
    sun: Colour
    ambient: Colour
    fog: Colour
    sun_height: float
    darkness: float
    haze: float

    @property
    def snowy(self) -> bool:
        return self.weather == "snow"

    @property
    def sky_is_open(self) -> bool:
        """Sun, moon and stars can be seen."""
        return self.weather in ("clear", "mist")

    @property
    def lamps(self) -> bool:
        """Windows and street lamps are lit."""
        return self.darkness > 0.3 or self.weather == "rain"

    def far(self, colour: Colour, distance: float) -> Colour:
        """The surface `colour` in this light, faded into the air; `distance` 0 (here) to 1."""
        return mix(tint(colour, self.ambient), self.horizon, distance * (0.5 + 0.5 * self.haze))

    def near(self, colour: Colour) -> Colour:
        """A subject's colour: dimmed less than the land, so that it stays readable in the dark."""
        return tint(colour, mix(self.ambient, WHITE, 0.22 + 0.14 * self.darkness))

    def ground(self, colour: Colour, distance: float = 0.0) -> Colour:
        """Like `far`, and white where snow falls."""
        if not self.snowy:
            return self.far(colour, distance)
        # Snow keeps more of its own white than other ground, or it looks like sand at sunset.
        white = tint(mix(colour, SNOW, 0.95), mix(self.ambient, SNOW, 0.4))
        return mix(white, self.horizon, distance * 0.5)


@dataclass(frozen=True)
class _Hour:
    top: Colour
    middle: Colour
    horizon: Colour
    sun: Colour
    ambient: Colour
    grey: Colour  # what an overcast sky tends to
    fog: Colour
    sun_height: float
    darkness: float


_HOURS = {
    "dawn": _Hour(
        top=(0.52, 0.68, 0.88),
        middle=(0.93, 0.80, 0.84),
        horizon=(1.00, 0.86, 0.74),
        sun=(1.00, 0.94, 0.78),
        ambient=(0.95, 0.89, 0.92),
        grey=(0.80, 0.74, 0.77),
        fog=(0.95, 0.87, 0.87),
        sun_height=0.16,
        darkness=0.1,
    ),
    "day": _Hour(
        top=(0.16, 0.48, 0.88),
        middle=(0.46, 0.75, 0.97),
        horizon=(0.85, 0.95, 1.00),
        sun=(1.00, 1.00, 0.90),
        ambient=(1.0, 1.0, 1.0),
        grey=(0.70, 0.76, 0.81),
        fog=(0.90, 0.94, 0.96),
        sun_height=0.74,
        darkness=0.0,
    ),
    "sunset": _Hour(
        top=(0.52, 0.24, 0.42),
        middle=(0.98, 0.45, 0.22),
        horizon=(1.00, 0.77, 0.34),
        sun=(1.00, 0.86, 0.48),
        ambient=(0.96, 0.64, 0.48),
        grey=(0.72, 0.47, 0.40),
        fog=(0.98, 0.70, 0.50),
        sun_height=0.18,
        darkness=0.35,
    ),
    "twilight": _Hour(
        top=(0.13, 0.10, 0.38),
        middle=(0.40, 0.26, 0.62),
        horizon=(0.97, 0.55, 0.64),
        sun=(1.00, 0.74, 0.76),
        ambient=(0.54, 0.46, 0.72),
        grey=(0.43, 0.36, 0.57),
        fog=(0.62, 0.50, 0.72),
        sun_height=0.05,
        darkness=0.7,
    ),
    "night": _Hour(
        top=(0.02, 0.04, 0.15),
        middle=(0.05, 0.11, 0.30),
        horizon=(0.15, 0.26, 0.48),
        sun=(0.93, 0.95, 1.00),
        ambient=(0.30, 0.37, 0.62),
        grey=(0.19, 0.26, 0.43),
        fog=(0.27, 0.34, 0.52),
        sun_height=0.72,
        darkness=1.0,
    ),
}

_OVERCAST = {"clear": 0.0, "mist": 0.45, "cloudy": 0.62, "snow": 0.66, "rain": 0.74}
_HAZE = {"clear": 0.3, "cloudy": 0.35, "rain": 0.5, "snow": 0.55, "mist": 0.9}
_DIM = {"clear": 1.0, "cloudy": 0.93, "mist": 0.97, "rain": 0.86, "snow": 0.97}


def light_for(time: str, weather: str) -> Light:
    """The light of one of TIMES in one of WEATHERS; KeyError for any other word."""
    hour = _HOURS[time]
    grey = hour.fog if weather == "mist" else hour.grey
    share = _OVERCAST[weather]
    # By night bad weather takes no more light away, or nothing could be seen.
    dim = 1.0 - (1.0 - _DIM[weather]) * (1.0 - hour.darkness)
    dim += 0.16 * hour.darkness if weather in ("rain", "mist") else 0.0
    sky_dim = 1.0 - 0.14 * (1.0 - hour.darkness) if weather == "rain" else 1.0
    return Light(
        time=time,
        weather=weather,
        top=scaled(mix(hour.top, scaled(grey, 0.86), share), sky_dim),
        middle=scaled(mix(hour.middle, grey, share), sky_dim),
        horizon=mix(hour.horizon, grey, share * 0.85),
        sun=hour.sun,
        ambient=scaled(hour.ambient, dim),
        fog=hour.fog,
        sun_height=hour.sun_height,
        darkness=hour.darkness,
        haze=_HAZE[weather],
    )
