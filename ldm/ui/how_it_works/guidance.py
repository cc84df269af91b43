"""Panel 7, *Guidance*: the two predictions, their difference, the sum, and sweeps."""

from dataclasses import replace

import gradio as gr
from PIL import Image

from ldm.explain import colours
from ldm.explain.measures import root_mean_square
from ldm.recipe import Recipe
from ldm.ui.form import Updates
from ldm.ui.how_it_works import plots
from ldm.ui.how_it_works.lab import LabError
from ldm.ui.how_it_works.panel import (
    Hooks,
    Panel,
    Scene,
    area,
    chart,
    conclude,
    connect_button,
    entitle,
    introduce,
)
from ldm.ui.how_it_works.visuals import (
    Shown,
    facts,
    named,
    number,
    pictures,
    said,
    sum_of,
    titled,
)
from ldm.ui.texts import Figure, Text, label, say, steps_in_words

NAME = "guidance"
SCALES = (1.0, 2.0, 4.0, 8.0, 14.0)
STEPS = (2, 4, 8, 16, 32)


def equation(scene: Scene) -> str:
    """Without words, plus so much of the difference, gives the guided picture."""
    frame, run = scene.frame, scene.recording
    assert frame.of_negative is not None and frame.guided_by is not None
    lab, scale = scene.lab, run.recipe.guidance_scale
    parts = (frame.of_negative, frame.of_prompt, frame.x0)
    without, with_words, guided = (lab.pictures_of(run, part[None])[0] for part in parts)
    size = frame.guided_by.square().mean(0).sqrt()
    light = colours.change(size, max(float(size.max()), 1e-9)).resize(guided.size)
    negative = run.recipe.negative_prompt
    title = say("panel_guidance_without")
    if negative:
        title = say("panel_guidance_without_these", words=negative)
    note = say("panel_guidance_size", size=number(root_mean_square(frame.guided_by)))

    def part(image: Image.Image, name: str, kind: str, title: str = "", note: str = "") -> Shown:
        key = f"panel_guidance_{name}"
        return Shown(image, named(f"{key}_alt"), title or say(key), note, kind)

    unguided = part(without, "without", "latents", title)
    asked = part(with_words, "with", "words")
    difference = part(light, "difference", "guidance", note=note)
    final = part(guided, "guided", "picture")
    return sum_of((asked, unguided, difference), ("−", "=")) + sum_of(
        (unguided, difference, final), (Figure(f"+ {scale:g} ×"), "=")
    )


def figures(scene: Scene) -> str:
    frame = scene.frame
    assert frame.of_negative is not None and frame.guided_by is not None
    return facts(
        (
            (say("panel_guidance_without"), number(root_mean_square(frame.of_negative))),
            (say("panel_guidance_with"), number(root_mean_square(frame.of_prompt))),
            (say("panel_guidance_difference"), number(root_mean_square(frame.guided_by))),
            (say("panel_guidance_guided"), number(root_mean_square(frame.x0))),
        )
    )


def sizes(scene: Scene) -> object:
    """How large the difference was at each step."""
    found = [
        (frame.index + 1, root_mean_square(frame.guided_by))
        for frame in scene.recording.frames
        if frame.guided_by is not None
    ]
    return plots.bars(found, plots.GUIDANCE, scene.frame.index + 1)


def build_guidance(hooks: Hooks) -> Panel:
    introduce(NAME)
    sums, numbers = area("guidance-sum"), area("guidance-figures")
    entitle("panel_guidance_sizes")
    difference = chart("guidance-size")
    with gr.Row(elem_classes="how-row"):
        sweep_scale = gr.Button(label("panel_guidance_sweep"), elem_id="how-sweep-guidance")
        sweep_steps = gr.Button(label("panel_guidance_sweep_steps"), elem_id="how-sweep-steps")
    swept = area("guidance-swept")
    with gr.Row(elem_classes="how-row how-fields"):
        negative = gr.Textbox(
            "",
            label=label("panel_guidance_leave_out"),
            info=label("panel_guidance_leave_out_info"),
            elem_id="how-leave-out",
        )
        again = gr.Button(label("how_draw_again"), elem_id="how-leave-out-again")
    redrawn = area("guidance-redrawn")
    conclude(NAME)

    def draw(scene: Scene) -> Updates:
        if all(frame.of_negative is None for frame in scene.recording.frames):
            return {sums: said(say("panel_guidance_none")), numbers: "", difference: None}
        if scene.frame.of_negative is None:
            rests = said(say("panel_guidance_rests"))
            return {sums: rests, numbers: "", difference: sizes(scene)}
        return {sums: equation(scene), numbers: figures(scene), difference: sizes(scene)}

    async def side_by_side(
        scene: Scene, visitor: str, recipes: list[Recipe], titles: list[Text]
    ) -> str:
        drawn = await scene.lab.variations(scene.recording, recipes, visitor)
        return said(say("panel_guidance_batch")) + pictures(
            titled(each.image, title, kind="picture")
            for each, title in zip(drawn, titles, strict=True)
        )

    async def over_scales(scene: Scene, visitor: str) -> str:
        recipes = [replace(scene.recording.recipe, guidance_scale=scale) for scale in SCALES]
        titles = [Text("panel_guidance_scale", {"scale": Figure(f"{scale:g}")}) for scale in SCALES]
        return await side_by_side(scene, visitor, recipes, titles)

    async def over_steps(scene: Scene, visitor: str) -> str:
        most = scene.terms.max_steps or STEPS[-1]
        counts = [count for count in STEPS if count <= most]
        recipes = [replace(scene.recording.recipe, num_inference_steps=n) for n in counts]
        return await side_by_side(scene, visitor, recipes, [*map(steps_in_words, counts)])

    async def leave_out(scene: Scene, visitor: str) -> str:
        run, words = scene.recording, str(scene.values[negative] or "").strip()
        if not words:
            raise LabError(say("panel_guidance_nothing"))
        scale = run.recipe.guidance_scale
        recipe = replace(
            run.recipe, negative_prompt=words, guidance_scale=scale if scale != 1 else 4.0
        )
        picture = await scene.lab.draw(recipe, visitor, None, *run.given)
        items = (
            Shown(run.picture, named("how_yours"), say("how_as_it_was"), kind="picture"),
            titled(
                picture.image, Text("panel_guidance_left_out", {"words": words}), kind="picture"
            ),
        )
        return pictures(items, least=220)

    connect_button(sweep_scale, swept, hooks, (), over_scales)
    connect_button(sweep_steps, swept, hooks, (), over_steps)
    connect_button(again, redrawn, hooks, (negative,), leave_out)
    return Panel(NAME, draw, (), (sums, numbers, difference), results=(swept, redrawn))
