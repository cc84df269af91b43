"""One tab as a visitor uses it: where its parts are and how long they may take."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from ldm.imaging import read_png_text
from ldm.recipe import Recipe

TITLES = {
    "text_to_image": "Text to image",
    "image_to_image": "Sketch to image",
    "inpaint": "Inpainting",
    "upscale": "Upscale",
    "grid": "Grid",
}
RUN_MS = 120_000  # a run takes a second or two; a machine busy with other work, far longer


def type_number(entry: Locator, value: int | float) -> None:
    """Type into a number's field until it stays.

    A field that has just been unfolded takes its value from the page a moment later, and what was
    typed before that is gone. No visitor is so quick.
    """
    for _ in range(10):
        entry.fill(str(value))
        entry.blur()
        entry.page.wait_for_timeout(200)
        if entry.input_value() == str(value):
            return
    raise AssertionError(f"the field does not keep {value}")


@dataclass(frozen=True)
class Tab:
    page: Page
    name: str

    def open(self) -> "Tab":
        self.page.get_by_role("tab", name=TITLES[self.name]).click()
        expect(self.generate).to_be_visible()
        return self

    def part(self, name: str) -> Locator:
        return self.page.locator(f"#{self.name}-{name}")

    @property
    def prompt(self) -> Locator:
        return self.part("prompt").locator("textarea")

    @property
    def generate(self) -> Locator:
        return self.part("generate")

    @property
    def stop(self) -> Locator:
        return self.part("stop")

    @property
    def status(self) -> Locator:
        return self.part("status").locator(".ldm-status > p").first

    @property
    def pictures(self) -> Locator:
        return self.part("stage").locator("[data-state=done] .ldm-frame img")

    @property
    def problem(self) -> Locator:
        return self.page.locator(f".ldm-problem[data-field^={self.name}-]")

    def stage(self, state: str) -> Locator:
        return self.part("stage").locator(f"[data-state={state}]")

    def set(self, field: str, value: int | float) -> None:
        """Type a value into a field of the folded settings."""
        entry = self.part(field).locator("input[type=number]")
        if not entry.is_visible():
            self.unfold()
        type_number(entry, value)

    def unfold(self) -> None:
        """Open the folded settings; what they hold is only then on the page."""
        self.page.locator(".ldm-settings:visible > button:not(.open)").click()

    def found_again(self) -> None:
        """Wait for the result that a page shows anew after it was loaded again."""
        expect(self.stage("done")).to_be_visible(timeout=RUN_MS)
        expect(self.status).to_have_text(re.compile("^Done in "))

    def start(self) -> None:
        """Press Generate; what the stage shows now no longer counts as the result."""
        # The page drops attributes it does not know with the next thing it shows.
        stage = self.part("stage").locator("[data-state]")
        stage.evaluate("element => element.setAttribute('data-seen', '')")
        self.generate.click()

    def finish(self) -> bytes:
        """Wait for the run that was started and take its first picture's bytes from the link."""
        result = self.part("stage").locator("[data-state=done]:not([data-seen])")
        expect(result).to_be_visible(timeout=RUN_MS)
        expect(self.status).to_have_text(re.compile("^Done in "))
        expect(self.generate).to_be_enabled()
        expect(self.stop).to_be_disabled()
        return self.download()

    def draw(self) -> bytes:
        self.start()
        return self.finish()

    def download(self) -> bytes:
        with self.page.expect_download() as saving:
            self.part("stage").locator("a.ldm-download").first.click()
        assert saving.value.suggested_filename.endswith(".png")
        return Path(saving.value.path()).read_bytes()

    def open_picture(self, name: str, data: bytes) -> None:
        kind = "image/png" if name.endswith(".png") else "image/jpeg"
        entry = self.part("easel-files").locator("input[type=file]").first
        entry.set_input_files({"name": name, "mimeType": kind, "buffer": data})

    def stroke(self, *places: tuple[float, float]) -> None:
        """Draw through places given as shares of the sheet's width and height."""
        canvas = self.part("easel").locator("canvas.strokes")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
        self.page.mouse.move(*at[0])
        self.page.mouse.down()
        for place in at[1:]:
            self.page.mouse.move(*place, steps=6)
        self.page.mouse.up()

    def strokes(self) -> bytes:
        """The PNG of what is drawn on the sheet now."""
        canvas = self.part("easel").locator("canvas.strokes")
        url = canvas.evaluate("canvas => canvas.toDataURL('image/png')")
        return base64.b64decode(url.partition(",")[2])


def drop_file(page: Page, name: str, data: bytes) -> None:
    """Drop a file onto the page, beside everything that takes files of its own."""
    page.evaluate(
        """([name, text]) => {
            const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], name, {type: "image/png"}));
            const drop = new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true});
            document.querySelector(".ldm-header").dispatchEvent(drop);
        }""",
        [name, base64.b64encode(data).decode()],
    )


def recipe_in(png: bytes) -> Recipe:
    return Recipe.from_json(read_png_text(png)["recipe"])
