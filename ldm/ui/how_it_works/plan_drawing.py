"""The U-Net's plan as a drawing: down at the left, up at the right, skips across; blocks to press.

Owns the places and the markup. Does not know what is shown of a block that was pressed.
"""

from collections.abc import Sequence

from ldm.explain.diagram import Block, Plan
from ldm.ui.texts import Text, attributes, say, say_in_drawing

# Of the drawing, in its own units.
WIDE, HIGH, RIGHT, DOWN, EDGE = 150, 64, 66, 92, 8
Places = dict[str, tuple[float, float]]


def number_of(block: Block) -> int:
    """Which of its side a block on the way down or up is, from 1."""
    return int(block.name.partition("_blocks.")[2]) + 1


def title_of(block: Block) -> Text:
    """What people call the block: "in", "down 2", "middle", "up 1"."""
    key = f"panel_network_{block.side}"
    return Text(key, {"number": number_of(block)} if block.side in ("down", "up") else {})


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
    title = title_of(block)
    rows, columns = (-(-side // block.scale) for side in size)
    name = attributes(
        {"aria-label": "panel_network_block_hears" if block.cross else "panel_network_block"},
        block=title,
        channels=block.channels,
        columns=columns,
        rows=rows,
    )
    words = f'<circle cx="{x + WIDE - 15}" cy="{y + 15}" r="6"/>' if block.cross else ""
    return (
        f'<g role="button" tabindex="0" data-choice="{block.name}"{name} '
        f'aria-pressed="{str(on).lower()}"><rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" '
        f'rx="12" style="--shade:{shade:.2f}"/>'
        f'<text x="{x + 14}" y="{y + 27}" class="name">'
        f"{say_in_drawing(title.key, **title.values)}</text>"
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
        f'<div class="how-plan"><svg viewBox="0 0 {width:.0f} {height:.0f}" role="group"'
        f"{attributes({'aria-label': 'panel_network_plan'})}>{flow}{skips}{boxes}</svg>"
        f'<p class="how-key"><i data-kind="words"></i>{say("panel_network_key_words")}'
        f'<i data-kind="skip"></i>{say("panel_network_key_skip")}</p></div>'
    )
