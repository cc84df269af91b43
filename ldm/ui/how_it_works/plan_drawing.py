"""The U-Net's plan as a drawing: down at the left, up at the right, skips across; blocks to press.

Owns the places and the markup. Does not know what is shown of a block that was pressed.
"""

from collections.abc import Sequence
from html import escape

from ldm.explain.diagram import Block, Plan
from ldm.ui.how_it_works import texts

# Of the drawing, in its own units.
WIDE, HIGH, RIGHT, DOWN, EDGE = 150, 64, 66, 92, 8
Places = dict[str, tuple[float, float]]


def title_of(block: Block) -> str:
    """What people call the block: "in", "down 2", "middle", "up 1"."""
    side, _, index = block.name.partition("_blocks.")
    names = {"conv_in": texts.BLOCK_IN, "mid_block": texts.BLOCK_MIDDLE}
    return names.get(block.name) or texts.block_title(side, int(index) + 1)


def places_of(plan: Plan) -> Places:
    """The corner of each block: a step right and down on the way down, mirrored on the way up."""
    left = [block for block in plan.blocks if block.side in ("in", "down")]
    rows: dict[str, int] = {block.name: row for row, block in enumerate(left)}
    depth = len(left)
    places: Places = {name: (RIGHT * row, DOWN * row) for name, row in rows.items()}
    far = 2 * RIGHT * depth + WIDE
    for block in plan.blocks:
        if block.side == "middle":
            places[block.name] = (far / 2 - WIDE / 2 + RIGHT / 2, DOWN * depth)
        elif block.side == "up":
            # As high as the lowest block on the way down whose skips it takes.
            row = max(rows[skip.source] for skip in plan.skips if skip.target == block.name)
            places[block.name] = (far + RIGHT * (1 - row), DOWN * row)
    return {name: (EDGE + x, EDGE + y) for name, (x, y) in places.items()}


def _box(block: Block, at: tuple[float, float], size: Sequence[int], shade: float, on: bool) -> str:
    x, y = at
    title = escape(title_of(block))
    rows, columns = (-(-side // block.scale) for side in size)
    label = f"{title}: {block.channels} channels at {columns} × {rows}"
    words = ""
    if block.cross:
        label += texts.HEARS_WORDS
        words = f'<circle cx="{x + WIDE - 15}" cy="{y + 15}" r="6"/>'
    return (
        f'<g role="button" tabindex="0" data-choice="{block.name}" aria-label="{label}" '
        f'aria-pressed="{str(on).lower()}"><rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" '
        f'rx="12" style="--shade:{shade:.2f}"/>'
        f'<text x="{x + 14}" y="{y + 27}" class="name">{title}</text>'
        f'<text x="{x + 14}" y="{y + 49}">{block.channels} · {columns}×{rows}</text>{words}</g>'
    )


def _line(kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    (x, y), (u, v) = start, end
    return f'<path class="{kind}" d="M{x:.0f} {y:.0f} L{u:.0f} {v:.0f}"/>'


def drawing(plan: Plan, chosen: str, size: tuple[int, int]) -> str:
    """The plan of a network for latents of `size` (height, width), with the chosen block marked."""
    places = places_of(plan)
    most = max(block.channels for block in plan.blocks)
    boxes = "".join(
        _box(
            block,
            places[block.name],
            size,
            0.12 + 0.4 * block.channels / most,
            block.name == chosen,
        )
        for block in plan.blocks
    )
    pairs = sorted({(skip.source, skip.target) for skip in plan.skips})
    skips = "".join(
        _line(
            "skip",
            (places[a][0] + WIDE, places[a][1] + HIGH / 2),
            (places[b][0], places[b][1] + HIGH / 2),
        )
        for a, b in pairs
    )
    flow = "".join(
        _line(
            "flow",
            (places[one.name][0] + WIDE / 2, places[one.name][1] + HIGH / 2),
            (places[two.name][0] + WIDE / 2, places[two.name][1] + HIGH / 2),
        )
        for one, two in zip(plan.blocks, plan.blocks[1:], strict=False)
    )
    width = max(x for x, _ in places.values()) + WIDE + EDGE
    height = max(y for _, y in places.values()) + HIGH + EDGE
    return (
        f'<div class="how-plan"><svg viewBox="0 0 {width:.0f} {height:.0f}" role="group" '
        f'aria-label="{texts.PLAN}">{flow}{skips}{boxes}</svg>'
        f'<p class="how-key"><i data-kind="words"></i>{texts.KEY_WORDS}'
        f'<i data-kind="skip"></i>{texts.KEY_SKIP}</p></div>'
    )
