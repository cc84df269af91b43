"""The words for places, and the prepositions they take. No grammar."""

from dataclasses import dataclass

from .wording import of


@dataclass(frozen=True)
class PlaceWords:
    """`names` always fit; `views` only with that option; `bright` only by day in clear weather."""

    names: tuple[str, ...]
    tags: tuple[str, ...]
    inside: str  # the preposition for someone or something there
    views: tuple[tuple[str, tuple[str, ...]], ...] = ()
    bright: tuple[str, ...] = ()


PLACE_WORDS: dict[str, PlaceWords] = {
    "lake": PlaceWords(
        of(
            """a lake surrounded by mountains; a lake surrounded by mountains; a mountain lake; a
            lake in the mountains; a still lake with mountains behind it; a lake below high
            peaks; an alpine lake; a quiet lake beneath the mountains; a lake ringed by
            mountains; a lake; a lake at the foot of the mountains; a highland lake; a deep lake
            under rocky summits; a mirror smooth lake and mountains; a lake between tall
            mountains"""
        ),
        ("lake, mountains", "lake", "mountain lake", "lake, peaks"),
        "by",
        (("autumn", ("a lake with autumn trees on its shore", "a mountain lake in autumn")),),
        ("a blue lake", "a blue mountain lake"),
    ),
    "sea": PlaceWords(
        of(
            """the sea; the ocean; the open sea; the open ocean; the wide sea; the waves of the
            ocean; the salty sea; the deep ocean"""
        ),
        ("sea", "ocean", "open sea", "seascape", "waves, ocean"),
        "on",
        (),
        ("the blue sea", "the blue ocean"),
    ),
    "beach": PlaceWords(
        of(
            """a beach; the beach; a sandy beach; the seashore; a sandy shore; the shoreline; a
            beach by the sea; the shore of the sea; a quiet beach"""
        ),
        ("beach", "sandy beach", "seaside", "shore", "coast, sand"),
        "on",
        (("palms", ("a tropical beach",)),),
        ("a sunny beach", "a beach with turquoise water"),
    ),
    "tea": PlaceWords(
        of(
            """a tea garden; a tea garden; a tea plantation; a tea estate; tea fields; hills of
            tea; tea fields on rolling hills; rows of tea bushes; a hillside tea garden;
            terraces of tea; a tea garden in the hills"""
        ),
        ("tea garden", "tea plantation", "tea fields", "tea bushes, hills"),
        "in",
        (),
        ("green tea hills", "a lush green tea garden"),
    ),
    "forest": PlaceWords(
        ("a forest", "the forest", "the woods", "a wood", "a woodland", "a big forest"),
        ("forest", "woods", "trees, forest", "woodland"),
        "in",
        (
            ("path", ("a forest path", "a path through the woods", "a trail through a forest")),
            ("trunks", ("a forest of tall trees", "a dense forest", "tall trees in a forest")),
            ("clearing", ("a clearing in the woods", "a forest clearing", "a glade in the forest")),
            ("slopes", ("wooded hills", "forest covered hills", "a forest seen from above")),
        ),
    ),
    "desert": PlaceWords(
        of(
            """a desert; the desert; a dry desert; an empty desert; a barren desert; an arid desert;
            a wide and silent desert"""
        ),
        ("desert",),
        "in",
        (
            (
                "dunes",
                of(
                    """sand dunes; a sandy desert; the dunes; rolling sand dunes; the dunes of a
                    desert"""
                ),
            ),
            ("rocks", ("a rocky desert", "a desert with mesas", "a desert with flat topped rocks")),
        ),
        ("a hot desert",),
    ),
    "village": PlaceWords(
        of(
            """a village; a small village; a village in a valley; a mountain village; a country
            village; a village near the mountains; a village below the mountains; a village of
            cottages; a settlement at the foot of the mountains; a little village in the hills;
            a hamlet in the mountains"""
        ),
        ("village", "village, mountains", "houses"),
        "in",
        (
            (
                "lane",
                ("a lane through a village", "a village road", "a country lane between cottages"),
            ),
            ("flowers", ("a village with flowers", "a village in a flowery valley")),
        ),
        ("a village in a green valley",),
    ),
    "hill": PlaceWords(
        of("""a hill; a hill; a hilltop; a hillside; a meadow; the top of a hill; a low hill"""),
        ("hill", "meadow", "hilltop", "countryside, hill", "hillside"),
        "on",
        (
            (
                "flowers",
                of(
                    """a flower meadow; a meadow full of flowers; a hill with wildflowers; a
                    flowery hill"""
                ),
            ),
        ),
        ("a green hill", "a grassy hill", "a green meadow"),
    ),
    "city": PlaceWords(
        of(
            """a city street; a city street; a street in the city; a downtown street; a town
            street; a street in a big city; the streets of a city; a city road; an urban street;
            a street lined with buildings"""
        ),
        ("city street", "city", "street", "city, buildings", "downtown"),
        "in",
        (
            (
                "avenue",
                of(
                    """a city street with tall buildings; a long city avenue; a broad boulevard; a
                    city street with street lamps; a street between tall buildings"""
                ),
            ),
            (
                "row",
                of(
                    """a street with shops; a row of shops in the city; shopfronts along a city
                    street; a street with striped awnings"""
                ),
            ),
        ),
    ),
    "river": PlaceWords(
        of(
            """a river; a winding river; a river in a valley; a river winding through a valley; a
            river below the mountains; a river flowing through the countryside; a stream; a
            bending river; a river running through meadows"""
        ),
        ("river", "river, valley"),
        "by",
        (("autumn", ("a river in autumn", "a river between autumn trees")),),
        ("a river between green banks",),
    ),
    "waterfall": PlaceWords(
        of(
            """a waterfall; a tall waterfall; a waterfall between cliffs; a waterfall falling into
            a pool; a waterfall in the mountains; a cascade over rocks; a waterfall plunging
            down a cliff; a roaring waterfall"""
        ),
        ("waterfall", "waterfall, cliffs"),
        "by",
        (("autumn", ("a waterfall in autumn",)),),
    ),
    "field": PlaceWords(
        (),
        ("field", "farmland"),
        "in",
        (
            (
                "wheat",
                of(
                    """a wheat field; a field of wheat; a field of ripe grain; a golden wheat
                    field; yellow cornfields; farmland with wheat"""
                ),
            ),
            (
                "sunflowers",
                of(
                    """a field of sunflowers; a sunflower field; farmland with sunflowers; blooming
                    sunflowers; rows of sunflowers"""
                ),
            ),
            (
                "lavender",
                of(
                    """a lavender field; a field of lavender; fields of blooming lavender; rows of
                    purple lavender"""
                ),
            ),
        ),
    ),
    "island": PlaceWords(
        of(
            """a small island; a tropical island; an island with palm trees; an island in the sea;
            a tiny island in the ocean; a lonely island; an islet with palms; a palm island"""
        ),
        ("island", "tropical island", "island, palm trees"),
        "on",
        (),
        ("an island in a turquoise sea",),
    ),
    "garden": PlaceWords(
        of(
            """a garden; a garden; a garden with hedges; a park; a garden with a gravel path; a
            quiet garden; a garden behind a hedge; the garden; a public park; a park with
            clipped hedges; a well kept garden"""
        ),
        ("garden", "garden, hedges", "park"),
        "in",
        (
            (
                "flowers",
                of(
                    """a flower garden; a garden full of flowers; a garden with flower beds; a
                    garden in bloom; a park with flower beds"""
                ),
            ),
        ),
        ("a green garden", "a sunny garden"),
    ),
    "temple": PlaceWords(
        of(
            """a temple; a temple; a pagoda; an old temple; a temple in the mountains; a pagoda
            with red columns; a temple with curved roofs; a wooden temple; an ancient temple; the
            stairs of a temple; an eastern temple; a temple at the end of a stairway"""
        ),
        ("temple", "pagoda", "temple, mountains", "temple, stairs"),
        "in front of",
        (("autumn", ("a temple in autumn", "a temple among autumn trees")),),
    ),
    "room": PlaceWords(
        ("a room with a window", "a cosy room", "a room", "an interior with a window"),
        ("room", "interior", "room, window"),
        "in",
        (
            (
                "living",
                of(
                    """a living room; a living room; a cosy living room; a living room with a sofa;
                    a room with a couch; a sitting room; a lounge with a sofa and a lamp"""
                ),
            ),
            (
                "bedroom",
                of(
                    """a bedroom; a bedroom; a room with a bed; a cosy bedroom; a bedroom with a
                    window; a small bedroom"""
                ),
            ),
            (
                "study",
                of(
                    """a study; a study with a desk; a room with a desk; a room with a desk and
                    books; a home office; a work room with a desk and a lamp"""
                ),
            ),
        ),
    ),
}

AUTUMN_FOREST = of(
    """an autumn forest; a forest in autumn; autumn woods; a forest with red and orange leaves; a
    forest with autumn colours; the woods in fall"""
)
PINE_FOREST = of(
    """a pine forest; a forest of pine trees; an evergreen forest; pine woods; a forest of fir
    trees; spruce woods"""
)
AUTUMN_PATH = ("a path through autumn woods", "a forest path covered with autumn leaves")

# Prepositions that a place's wording asks for, by a word in it; the first that fits.
PREPOSITIONS: tuple[tuple[str, str], ...] = (
    ("stairs of", "on"),
    ("shopfronts", "by"),
    ("row of shops", "by"),
    ("rows of", "among"),
    ("tall trees", "among"),
    ("terraces", "on"),
    ("hills of tea", "on"),
    ("tea hills", "on"),
    ("dunes", "on"),
    ("path", "on"),
    ("trail", "on"),
    ("lane", "on"),
    ("road", "on"),
    ("meadow", "in"),
    ("avenue", "on"),
)
