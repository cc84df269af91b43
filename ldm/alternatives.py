"""Captions that leave something to the seed: "a castle {at dawn|at night} {in the snow|}".

The notation of dynamic prompts: of what stands in braces, parted by bars, one alternative is taken.
One may be empty, and may hold further braces; a backslash before a brace or a bar makes it text, as
do braces without a bar. Consecutive seeds take other alternatives of every group, and come to all
combinations before one returns: pictures of one request differ as much as they can.

Knows nothing of weights or tokens: what is taken is read by `ldm.models.prompt` afterwards.
"""

import re
from collections.abc import Callable, Sequence

_GROUP = re.compile(r"(?<!\\)\{((?:[^{}\\]|\\.)*)\}", re.DOTALL)
_BAR = re.compile(r"(?<!\\)\|")


def _resolved(caption: str, choose: Callable[[Sequence[str]], str]) -> str:
    """The caption with one alternative for each group: innermost ones first, from left to right."""
    start = 0
    while group := _GROUP.search(caption, start):
        alternatives = [each.strip() for each in _BAR.split(group[1])]
        if len(alternatives) == 1:
            start = group.end()
            continue
        taken = choose(alternatives)
        before, after = caption[: group.start()], caption[group.end() :]
        if not taken:
            before = before.rstrip()
            after = after if before else after.lstrip()
        caption, start = before + taken + after, 0
    return caption


def chosen(caption: str, seed: int) -> str:
    """The caption that a seed makes of one; without groups it stays as it is, to the character."""
    rest, shift = seed, 0

    def choose(alternatives: Sequence[str]) -> str:
        nonlocal rest, shift
        # The seed's digits to the base of each group; those of the groups before are added, so that
        # not only the first group changes with every seed.
        rest, digit = divmod(rest, len(alternatives))
        shift += digit
        return alternatives[shift % len(alternatives)]

    return _resolved(caption, choose)


def longest(caption: str) -> str:
    """The caption with each group's longest alternative, in characters."""
    return _resolved(caption, lambda alternatives: max(alternatives, key=len))
