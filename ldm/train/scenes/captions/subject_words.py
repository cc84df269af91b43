"""The words for subjects: people, boats, buildings, plants, traffic. No grammar.

"{c}" is where a colour goes ("a {c}boat": "a boat" or "a red boat"), "{p}" where the place goes and
"{at}" the place's preposition.
"""

from dataclasses import dataclass

from .wording import of


@dataclass(frozen=True)
class SubjectWords:
    """`nouns` stand alone; `doing` (participles) and `does` (finite verbs) end with the place."""

    nouns: tuple[str, ...]
    doing: tuple[str, ...]
    does: tuple[str, ...]
    tags: tuple[str, ...]


def _boater(who: str, *others: str) -> SubjectWords:
    people = (who, who, who, who, *others)
    return SubjectWords(
        (*(f"{one} in a {{c}}boat" for one in people), f"{who} rowing a {{c}}boat"),
        tuple(
            f"{one} {action} {{p}}"
            for one in people
            for action in of(
                """boating on; boating on; boating on; boating on; boating in a {c}boat on; boating
                in a {c}boat on; rowing a {c}boat on; in a small {c}boat on; rowing across;
                paddling a {c}boat on; sitting in a {c}rowing boat on; in a {c}boat on"""
            )
        ),
        tuple(
            f"{one} {action} {{p}}"
            for one in people
            for action in of(
                """rows a {c}boat on; is boating on; rows across; drifts in a {c}boat on; sits in a
                {c}boat on"""
            )
        ),
        (
            f"{who.split()[-1]}, {{c}}boat",
            f"{who.split()[-1]} in a {{c}}boat",
            f"{{c}}boat, {who.split()[-1]}",
        ),
    )


def _things(
    one: tuple[str, ...], where: tuple[str, ...], stands: tuple[str, ...], tags: tuple[str, ...]
) -> SubjectWords:
    return SubjectWords(
        one,
        tuple(f"{noun} {there} {{p}}" for noun in one for there in where),
        tuple(f"{noun} {verb} {{p}}" for noun in one for verb in stands),
        tags,
    )


AT = ("{at}",)
STANDS = ("stands {at}", "is {at}")

SUBJECT_WORDS: dict[str, SubjectWords] = {
    "man_boat": _boater("a man", "a person", "a fisherman", "someone"),
    "woman_boat": _boater("a woman", "a person", "a lady", "someone"),
    "boat": _things(
        of(
            """a {c}boat; a {c}rowing boat; an empty {c}boat; a small {c}boat; a {c}dinghy; a
            {c}rowboat; a {c}wooden boat"""
        ),
        ("on", "floating on", "drifting on"),
        ("floats on", "drifts on", "lies on"),
        ("{c}boat", "{c}rowing boat"),
    ),
    "sailboat": _things(
        of(
            """a {c}sailboat; a {c}sailing boat; a {c}sailing yacht; a sloop with {c}sails; a yacht
            with {c}sails; a sailboat with {c}sails"""
        ),
        ("on", "sailing on", "gliding over"),
        ("sails on", "glides over", "sails across"),
        ("{c}sailboat", "{c}sailing boat"),
    ),
    "sailboats": _things(
        of(
            """sailboats; several sailboats; sailing boats; a few yachts; a group of sailboats;
            white sails"""
        ),
        ("on", "sailing on"),
        ("sail on", "cross"),
        ("sailboats", "sailing boats"),
    ),
    "cabin": _things(
        of(
            """a cabin; a wooden cabin; a log cabin; a lodge; a chalet; a wooden hut; a small
            wooden house"""
        ),
        AT,
        STANDS,
        ("cabin", "wooden cabin", "log cabin"),
    ),
    "dock": _things(
        ("a wooden dock", "a jetty", "a wooden pier"),
        ("on", "at", "reaching into"),
        ("reaches into", "leads into"),
        ("dock", "wooden pier"),
    ),
    "lighthouse": _things(
        of(
            """a lighthouse; a red and white lighthouse; a striped lighthouse; a tall lighthouse; a
            shining lighthouse"""
        ),
        ("by", "over", "above"),
        ("stands by", "rises above", "looks over"),
        ("lighthouse",),
    ),
    "ship": _things(
        of("""a {c}ship; a {c}steamer; a big {c}ship; a {c}steamship; a {c}vessel with funnels"""),
        ("on", "sailing on", "crossing"),
        ("sails on", "crosses"),
        ("{c}ship", "{c}steamer"),
    ),
    "palms": _things(
        ("palm trees", "coconut palms", "palms", "tall palm trees"),
        ("on", "at"),
        ("stand on", "grow on"),
        ("palm trees", "palms"),
    ),
    "parasol": _things(
        ("a {c}beach umbrella", "a {c}parasol", "a {c}sunshade"),
        ("on",),
        ("stands on",),
        ("{c}beach umbrella", "{c}parasol"),
    ),
    "pickers": _things(
        of(
            """tea pickers; workers with baskets; people picking tea; farmers with straw hats;
            people harvesting tea; labourers with baskets; workers plucking leaves"""
        ),
        ("in", "working in"),
        ("work in", "are in"),
        ("tea pickers", "workers", "people picking tea"),
    ),
    "hut": _things(
        ("a hut", "a small hut", "a thatched hut", "a shack with a straw roof"),
        AT,
        STANDS,
        ("hut", "thatched hut"),
    ),
    "cacti": _things(
        ("cacti", "green cacti", "cactus plants", "tall cacti", "saguaro cacti", "prickly cacti"),
        AT,
        ("grow {at}", "stand {at}"),
        ("cacti", "cactus"),
    ),
    "tent": _things(
        ("a {c}tent", "a small {c}tent", "a {c}camping tent", "a pitched {c}tent"),
        AT,
        STANDS,
        ("{c}tent", "camping, {c}tent"),
    ),
    "tree": _things(
        ("a tree", "a lone tree", "a single tree", "a big tree", "a solitary tree", "an old tree"),
        AT,
        STANDS,
        ("tree", "lone tree"),
    ),
    "man": SubjectWords((), (), (), ("man", "person")),
    "woman": SubjectWords((), (), (), ("woman", "person")),
    "child": SubjectWords((), (), (), ("child", "kid")),
    "couple": _things(
        ("a couple", "a man and a woman", "two people", "a pair of people", "two lovers"),
        ("standing {at}", "together {at}", "{at}"),
        ("stand {at}", "are {at}"),
        ("couple", "man and woman", "two people"),
    ),
    "cars": _things(
        of("""cars; traffic; several cars; three cars; vehicles; automobiles; busy traffic"""),
        ("on", "driving on"),
        ("drive on", "drive along"),
        ("cars", "traffic"),
    ),
    "bus": _things(
        ("a {c}bus", "a {c}city bus", "a big {c}bus"),
        ("on", "driving along"),
        ("drives along", "comes down"),
        ("{c}bus", "bus"),
    ),
    "people": _things(
        ("people", "pedestrians", "some people", "passers-by", "a few walkers", "shoppers"),
        ("walking in", "in", "walking on"),
        ("walk in", "walk along"),
        ("people", "pedestrians"),
    ),
    "umbrellas": _things(
        of(
            """people with umbrellas; people carrying umbrellas; people under colourful umbrellas;
            umbrellas"""
        ),
        ("in", "on"),
        ("walk in", "walk along"),
        ("people, umbrellas", "umbrellas"),
    ),
    "umbrella_man": _things(
        of(
            """a man with a {c}umbrella; a man holding a {c}umbrella; a person with a {c}umbrella;
            a man under a {c}umbrella"""
        ),
        ("in", "walking in", "on"),
        ("walks in", "walks along"),
        ("man, {c}umbrella", "{c}umbrella"),
    ),
    "umbrella_woman": _things(
        of(
            """a woman with a {c}umbrella; a woman holding a {c}umbrella; a person with a
            {c}umbrella; a woman under a {c}umbrella"""
        ),
        ("in", "walking in", "on"),
        ("walks in", "walks along"),
        ("woman, {c}umbrella", "{c}umbrella"),
    ),
    "bench": _things(
        ("a bench", "a wooden bench", "a park bench", "an empty bench"),
        AT,
        STANDS,
        ("bench", "wooden bench"),
    ),
    "church": _things(
        of(
            """a church; a church with a tower; a small church; a chapel; a white church with a
            steeple"""
        ),
        AT,
        STANDS,
        ("church",),
    ),
    "windmill": _things(
        ("a windmill", "an old windmill", "a windmill with four sails", "a mill"),
        AT,
        STANDS,
        ("windmill",),
    ),
    "house": _things(
        ("a house", "a lonely house", "a cottage", "a farmhouse", "a small house", "a home"),
        AT,
        STANDS,
        ("house", "cottage"),
    ),
    "campfire": _things(
        ("a campfire", "a burning campfire", "a bonfire"),
        AT,
        ("burns {at}", "glows {at}"),
        ("campfire", "fire"),
    ),
    "haystacks": _things(
        ("bales of hay", "round haystacks", "hay bales"),
        AT,
        ("lie {at}",),
        ("hay bales", "haystacks"),
    ),
    "bridge": _things(
        of(
            """a bridge; a stone bridge; an arched bridge; an old stone bridge; a bridge of stone;
            a footbridge"""
        ),
        ("over", "across", "crossing"),
        ("crosses", "spans"),
        ("bridge", "stone bridge"),
    ),
}

PEOPLE: dict[str, tuple[str, ...]] = {
    "man": ("a man", "a man", "a person", "someone"),
    "woman": ("a woman", "a woman", "a person", "a lady"),
    "child": ("a child", "a child", "a kid", "a little child"),
}
HIKERS = frozenset(("forest", "waterfall", "hill"))
CLOTHES: dict[str, tuple[str, ...]] = {
    "man": ("in a {c}shirt", "wearing {c}", "dressed in {c}", "in a {c}jacket"),
    "woman": ("in a {c}dress", "wearing {c}", "dressed in {c}"),
    "child": ("in a {c}shirt", "wearing {c}", "dressed in {c}"),
}
STANDING = ("standing {at} {p}", "{at} {p}", "{at} {p}", "alone {at} {p}")
COLOUR_NAMES: dict[str, tuple[str, ...]] = {
    "red": ("scarlet", "crimson", "bright red"),
    "orange": ("bright orange",),
    "yellow": ("golden", "bright yellow"),
    "green": ("emerald", "dark green"),
    "blue": ("royal blue", "bright blue"),
    "purple": ("violet",),
    "pink": ("rose", "rosy"),
    "white": ("cream", "pale"),
}
STANDS_VERB = ("stands {at} {p}", "is {at} {p}", "waits {at} {p}")


OFFSHORE = ("by", "near", "off", "close to", "passing")  # a vessel and a beach or an island
