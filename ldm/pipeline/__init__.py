"""From a recipe to pictures: encode, prepare, denoise, decode, for every task in one loop.

The tasks differ in where a row's latents start, at which noise level, what is blended into each
prediction, and how the picture is finished; the loop is the same. Work is done by the row, one row
a picture: rows of many requests can share one U-Net call (`advance`), each with its own step,
sampler, noise level, guidance and random numbers. `run` drives one request alone. This package
does not know of threads, queues or visitors.
"""

from ldm.pipeline.calls import advance, by_kind, evaluate
from ldm.pipeline.checks import check, check_pictures, size_step, upscaled_size
from ldm.pipeline.pictures import decode, finish, made_with
from ldm.pipeline.request import Request, own_recipe, run
from ldm.pipeline.rows import Answer, DrawingError, Row, Watcher, prepare
from ldm.pipeline.starts import encode_picture

__all__ = [
    "Answer",
    "DrawingError",
    "Request",
    "Row",
    "Watcher",
    "advance",
    "by_kind",
    "check",
    "check_pictures",
    "decode",
    "encode_picture",
    "evaluate",
    "finish",
    "made_with",
    "own_recipe",
    "prepare",
    "run",
    "size_step",
    "upscaled_size",
]
