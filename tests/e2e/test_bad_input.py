"""What cannot be used is named beside its field, and the next request works."""

import re
import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.e2e.tab import Tab

pytestmark = pytest.mark.e2e


def huge_png() -> bytes:
    """A PNG whose header says 30,000 x 30,000."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def truncated_jpeg() -> bytes:
    data = BytesIO()
    Image.effect_noise((256, 256), 50).convert("RGB").save(data, "JPEG")
    return data.getvalue()[: len(data.getvalue()) // 2]


def small_png(opaque: bool = True) -> bytes:
    data = BytesIO()
    image = Image.linear_gradient("L").convert("RGB")
    if not opaque:
        image.putalpha(128)
    image.save(data, "PNG")
    return data.getvalue()


BAD_FILES = {
    "text.png": b"This is no picture at all.\n" * 20,
    "truncated.jpg": truncated_jpeg(),
    "huge.png": huge_png(),
}


def test_captions_and_numbers(page: Page) -> None:
    tab = Tab(page, "text_to_image").open()
    tab.prompt.fill("")
    tab.generate.click()
    expect(tab.problem).to_contain_text("Caption")
    tab.prompt.fill("lake " * 2000)
    tab.generate.click()
    expect(tab.problem).to_contain_text("2000 characters")
    tab.prompt.fill("a lake at dawn")

    tab.part("size").locator("input").click()
    page.get_by_role("option", name="… × …").click()
    expect(tab.part("width")).to_be_visible()
    tab.set("width", 131)
    tab.generate.click()
    expect(tab.problem).to_contain_text("Width")
    expect(tab.problem).to_contain_text("131")
    expect(tab.part("width")).to_have_class(re.compile("ldm-at-fault"))
    tab.set("width", 90_000)
    tab.generate.click()
    expect(tab.problem).to_contain_text("2048")
    tab.set("width", 128)
    tab.draw()
    expect(tab.problem).to_have_count(0)


def test_files_that_are_no_pictures(page: Page) -> None:
    tab = Tab(page, "image_to_image").open()
    tab.prompt.fill("a lake at dawn")
    tab.generate.click()
    expect(tab.problem).to_contain_text("Picture")  # nothing drawn, nothing opened
    said = set()
    for name, data in BAD_FILES.items():
        tab.open_picture(name, data)
        expect(tab.problem).to_contain_text(name.partition(".")[0])
        said.add(tab.problem.inner_text())
        assert "Traceback" not in page.content()
    assert len(said) == len(BAD_FILES)
    tab.open_picture("good.png", small_png())
    expect(tab.part("note")).to_contain_text("Opened a picture")
    expect(tab.problem).to_have_count(0)
    tab.draw()


def test_refusals_speak_the_browsers_language(browser: Browser, app_url: str) -> None:
    context = browser.new_context(locale="de-DE")
    page = context.new_page()
    page.goto(app_url)
    page.get_by_role("tab", name="Skizze zu Bild").click()
    tab = Tab(page, "image_to_image")
    allowed = "ein unbewegtes Bild (PNG, JPEG, WebP, GIF, BMP oder TIFF) mit höchstens 64 Millionen"
    for name, what in (
        ("text.png", "eine Textdatei"),
        ("huge.png", "ein Bild von 30\u202f000 x 30\u202f000 Pixeln"),
    ):
        tab.open_picture(name, BAD_FILES[name])
        said = f"Bild: kam als {name} ({what}), erlaubt ist: {allowed} Pixeln."
        expect(tab.problem).to_have_text(said)
    tab.open_picture("clear.png", small_png(opaque=False))
    expect(tab.part("note")).to_have_text(re.compile("geöffnet; Durchsichtiges wurde weiß gefüllt"))
    tab.prompt.fill("lake " * 2000)
    tab.generate.click()
    expect(tab.problem).to_contain_text("erlaubt ist: 0 bis 2000 Zeichen.")
    context.close()


def test_inpainting_asks_for_picture_and_mask(page: Page) -> None:
    tab = Tab(page, "inpaint").open()
    tab.prompt.fill("a lake at dawn")
    tab.generate.click()
    expect(tab.problem).to_contain_text("Picture")
    tab.open_picture("good.png", small_png())
    expect(tab.part("note")).to_contain_text("Opened a picture")
    tab.generate.click()
    expect(tab.problem).to_contain_text("Mask")
