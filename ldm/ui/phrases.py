"""What the parts below the page say, understood: as texts, which the page has in each language.

They speak English: of what came, what is allowed, what was done to a picture. The texts in
`assets/phrases/en.json` are the same phrases with gaps for figures and names, so that a phrase
tells by its own words which text it is. Does *not* know who says it; one that fits no text stays
as it came.
"""

import re

from ldm.ui.texts import PHRASES, Figure, Text

_GAP = re.compile(r"\{(\w+)\}")
_NUMBER = r"-?\d[\d,]*(?:\.\d+)?"
# Gaps that hold words; the others hold numbers.
_WORDS = {"range", "name", "names", "task", "family", "value", "values"}


def _gap(name: str) -> str:
    return f"(?P<{name}>{'.+' if name in _WORDS else _NUMBER})"


def _pattern(text: str) -> re.Pattern[str]:
    """Splitting leaves words and the names of gaps by turns."""
    parts = enumerate(_GAP.split(text))
    return re.compile("".join(_gap(part) if i % 2 else re.escape(part) for i, part in parts))


def _wordy(text: str) -> int:
    return len(_GAP.sub("", text))


# The wordiest first: "{range} with this model" would fit more than it means.
_TEXTS = sorted(PHRASES["en"].items(), key=lambda item: _wordy(item[1]), reverse=True)
_PATTERNS = {key: _pattern(text) for key, text in _TEXTS}


def understood(phrase: str) -> str | Text:
    """`phrase` as the text that it is, what fills its gaps likewise."""
    for key, pattern in _PATTERNS.items():
        if found := pattern.fullmatch(phrase):
            return Text(key, {name: understood(part) for name, part in found.groupdict().items()})
    return Figure(phrase) if re.fullmatch(_NUMBER, phrase) else phrase
