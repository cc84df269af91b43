"""A caption for any kind of picture; the words and grammars are in the modules beside this one."""

import random

from ..spec import Spec
from .composite import describe_composite
from .landscape import SceneWriter, caption_by
from .still import describe_still


def describe(spec: Spec, rng: random.Random) -> str:
    """One of many English captions of the spec. It says nothing that the picture does not show."""
    if spec.kind == "still":
        return describe_still(spec, rng)
    if spec.kind == "composite":
        return describe_composite(spec, rng)
    return caption_by(SceneWriter(spec, rng))
