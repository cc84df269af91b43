"""Panel 7, *Guidance*: the two predictions, their difference, the sum, and sweeps."""

from dataclasses import replace

import gradio as gr

from ldm.explain import colours
from ldm.explain.measures import root_mean_square
from ldm.recipe import Recipe
from ldm.ui.form import Updates
from ldm.ui.how_it_works import plots, texts
from ldm.ui.how_it_works.lab import LabError
from ldm.ui.how_it_works.panel import (
    Hooks,
    Panel,
    Scene,
    area,
    chart,
    conclude,
    connect_button,
    introduce,
)
from ldm.ui.how_it_works.visuals import Shown, facts, number, pictures, said, sum_of

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
    title = f"without: “{negative}”" if negative else texts.WITHOUT
    note = texts.difference_of(number(root_mean_square(frame.guided_by)))
    unguided = Shown(without, texts.WITHOUT_ALT, title, "", "latents")
    asked = Shown(with_words, texts.WITH_ALT, texts.WITH, "", "words")
    difference = Shown(light, texts.DIFFERENCE_ALT, texts.DIFFERENCE, note, "guidance")
    final = Shown(guided, texts.GUIDED_ALT, texts.GUIDED, "", "picture")
    return sum_of((asked, unguided, difference), ("−", "=")) + sum_of(
        (unguided, difference, final), (f"+ {scale:g} ×", "=")
    )


def figures(scene: Scene) -> str:
    frame = scene.frame
    assert frame.of_negative is not None and frame.guided_by is not None
    return facts(
        (
            (texts.WITHOUT, number(root_mean_square(frame.of_negative))),
            (texts.WITH, number(root_mean_square(frame.of_prompt))),
            (texts.DIFFERENCE, number(root_mean_square(frame.guided_by))),
            (texts.GUIDED, number(root_mean_square(frame.x0))),
        )
    )


def sizes(scene: Scene) -> object:
    """How large the difference was at each step."""
    rows = [
        {"step": frame.index + 1, "size of the difference": root_mean_square(frame.guided_by)}
        for frame in scene.recording.frames
        if frame.guided_by is not None
    ]
    return plots.bars(rows, "step", "size of the difference", plots.GUIDANCE, scene.frame.index + 1)


def build_guidance(hooks: Hooks) -> Panel:
    introduce(NAME)
    sums, numbers = area("guidance-sum"), area("guidance-figures")
    difference = chart("guidance-size")
    with gr.Row(elem_classes="how-row"):
        sweep_scale = gr.Button(texts.SWEEP_GUIDANCE, elem_id="how-sweep-guidance")
        sweep_steps = gr.Button(texts.SWEEP_STEPS, elem_id="how-sweep-steps")
    swept = area("guidance-swept")
    with gr.Row(elem_classes="how-row how-fields"):
        negative = gr.Textbox(
            "", label=texts.LEAVE_OUT, info=texts.LEAVE_OUT_INFO, elem_id="how-leave-out"
        )
        again = gr.Button(texts.DRAW_AGAIN, elem_id="how-leave-out-again")
    redrawn = area("guidance-redrawn")
    conclude(NAME)

    def draw(scene: Scene) -> Updates:
        if scene.frame.of_negative is None:
            return {sums: said(texts.NO_GUIDANCE), numbers: "", difference: None}
        return {sums: equation(scene), numbers: figures(scene), difference: sizes(scene)}

    async def side_by_side(
        scene: Scene, visitor: str, recipes: list[Recipe], titles: list[str]
    ) -> str:
        drawn = await scene.lab.variations(scene.recording, recipes, visitor)
        return said(texts.ONE_BATCH) + pictures(
            Shown(each.image, title, title, kind="picture")
            for each, title in zip(drawn, titles, strict=True)
        )

    async def over_scales(scene: Scene, visitor: str) -> str:
        recipes = [replace(scene.recording.recipe, guidance_scale=scale) for scale in SCALES]
        return await side_by_side(scene, visitor, recipes, [*map(texts.guidance_of, SCALES)])

    async def over_steps(scene: Scene, visitor: str) -> str:
        most = scene.terms.max_steps or STEPS[-1]
        counts = [count for count in STEPS if count <= most]
        recipes = [replace(scene.recording.recipe, num_inference_steps=n) for n in counts]
        return await side_by_side(scene, visitor, recipes, [*map(texts.steps, counts)])

    async def leave_out(scene: Scene, visitor: str) -> str:
        run, words = scene.recording, str(scene.values[negative] or "").strip()
        if not words:
            raise LabError(texts.NOTHING_LEFT_OUT)
        scale = run.recipe.guidance_scale
        recipe = replace(
            run.recipe, negative_prompt=words, guidance_scale=scale if scale != 1 else 4.0
        )
        picture = await scene.lab.draw(recipe, visitor, None, *run.given)
        items = (
            Shown(run.picture, "your picture", texts.AS_IT_WAS, kind="picture"),
            Shown(picture.image, f"without {words}", texts.left_out(words), kind="picture"),
        )
        return pictures(items, least=220)

    connect_button(sweep_scale, swept, hooks, (), over_scales)
    connect_button(sweep_steps, swept, hooks, (), over_steps)
    connect_button(again, redrawn, hooks, (negative,), leave_out)
    return Panel(NAME, draw, (), (sums, numbers, difference), results=(swept, redrawn))
