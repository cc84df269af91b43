"""Fetching, rendering, keeping and recolouring sprites; nothing is fetched from anywhere."""

import base64
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("skia", reason="drawing needs requirements-train.txt")

from ldm.train.scenes.things.catalogue import by_code, concepts, plural_of
from ldm.train.scenes.things.colour_names import named_colours
from ldm.train.scenes.things.repaint import TARGETS, coat_share, repainted
from ldm.train.scenes.things.store import SpriteStore, write_store
from ldm.train.sprites.bodies import BODIES, ROBOT, commonest, with_body
from ldm.train.sprites.packages import PACKAGES, DataError, Package, fetch
from ldm.train.sprites.render import SIDE, rendered

RED = (220, 30, 30)


def disc(colour: tuple[int, int, int], size: tuple[int, int] = (60, 60)) -> np.ndarray:
    """A filled box with clear margins, RGBA."""
    pixels = np.zeros((size[1] + 20, size[0] + 20, 4), np.uint8)
    pixels[10:-10, 10:-10, :3] = colour
    pixels[10:-10, 10:-10, 3] = 255
    return pixels


def archive_of(path: Path, files: dict[str, bytes]) -> Path:
    """An npm archive: a gzipped tar in which everything lies in package/."""
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def package_of(style: str, archive: Path | None = None) -> Package:
    data = archive.read_bytes() if archive else b""
    digest = base64.b64encode(hashlib.sha512(data).digest()).decode()
    return Package(style, "@somewhere/art", "1.0.0", digest)


# -- fetching


def test_an_archive_is_checked(tmp_path: Path) -> None:
    package = package_of("noto")
    path = tmp_path / "somewhere-art-1.0.0.tgz"
    assert package.archive == path.name
    path.write_bytes(b"")
    assert fetch(package, tmp_path) == path
    path.write_bytes(b"something else")
    with pytest.raises(DataError, match=r"SHA-512.*Delete the file"):
        fetch(package, tmp_path)


def test_without_npm_the_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"npm: not found.*make train-data.*--kinds landscape"):
        fetch(package_of("noto"), tmp_path)


def test_what_npm_complains_of_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error network unreachable' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin:/usr/bin")
    with pytest.raises(DataError, match=r"art@1\.0\.0.*network unreachable"):
        fetch(package_of("noto"), tmp_path)


def test_packages_are_pinned() -> None:
    assert len({package.style for package in PACKAGES}) == len(PACKAGES) == 3
    for package in PACKAGES:
        assert len(base64.b64decode(package.sha512)) == 64
        assert package.version.count(".") == 2


# -- rendering


def iconify(tmp_path: Path, icons: dict[str, str], chars: dict[str, str]) -> Path:
    body = {
        name: {"body": f'<rect x="4" y="2" width="8" height="12" fill="{colour}"/>'}
        for name, colour in icons.items()
    }
    text = json.dumps({"width": 16, "height": 16, "icons": body}).encode()
    files = {"icons.json": text, "chars.json": json.dumps(chars).encode()}
    return archive_of(tmp_path / "art.tgz", files)


def test_svg_icons_are_found_by_code_and_cropped(tmp_path: Path) -> None:
    chars = {"1f415": "hound", "2b50": "star", "1f600": "grin"}
    icons = {"hound": "#00f", "star": "#ff0", "grin": "#fff"}
    archive = iconify(tmp_path, icons, chars)
    found = {code: picture for code, _, picture in rendered(package_of("noto"), archive)}
    assert set(found) == {"1f415", "2b50"}  # what is not in the catalogue is left out
    height, width = found["1f415"].shape[:2]
    assert height == SIDE and width == pytest.approx(SIDE * 8 / 12, abs=2)
    assert found["1f415"][height // 2, width // 2].tolist() == [0, 0, 255, 255]


def test_a_face_gets_its_body(tmp_path: Path) -> None:
    image = Image.new("RGBA", (256, 256), (240, 120, 30, 255))
    data = io.BytesIO()
    image.save(data, "WEBP", lossless=True)
    archive = archive_of(tmp_path / "art.tgz", {"assets/1f98a.webp": data.getvalue()})
    found = {code: picture for code, _, picture in rendered(package_of("fluent3d"), archive)}
    assert set(found) == {"1f98a", "1f98a+body"}
    face, whole = found["1f98a"], found["1f98a+body"]
    assert whole.shape[0] == SIDE > whole.shape[1]  # sitting upright
    assert named_colours(whole[whole[..., 3] > 128][:, :3]) == ("orange",)
    assert face.shape[:2] == (SIDE, SIDE)


def test_every_body_is_for_a_thing_and_stands_on_the_ground() -> None:
    listed = {each.code for each in concepts() if each.code.endswith("+body")}
    assert listed == {*BODIES, ROBOT}
    for code in listed:
        assert not by_code()[code].face
        whole = with_body(code, "noto", disc((120, 90, 60)))
        assert whole[-10:, :, 3].max() > 200  # feet at the bottom


def test_commonest_colour() -> None:
    pixels = disc((200, 100, 40))
    pixels[15:25, 15:35, :3] = (30, 30, 220)
    assert commonest(pixels) == pytest.approx((200 / 255, 100 / 255, 40 / 255), abs=0.01)


def test_boats_lose_the_water_they_stand_in(tmp_path: Path) -> None:
    boat = Image.new("RGBA", (100, 100))
    boat.paste((200, 40, 30, 255), (20, 30, 80, 70))
    boat.paste((40, 140, 240, 255), (0, 70, 100, 100))
    data = io.BytesIO()
    boat.save(data, "WEBP", lossless=True)
    files = {"assets/26f5.webp": data.getvalue(), "assets/1f41f.webp": data.getvalue()}
    archive = archive_of(tmp_path / "art.tgz", files)
    found = {code: picture for code, _, picture in rendered(package_of("fluent3d"), archive)}
    assert named_colours(found["26f5"][found["26f5"][..., 3] > 128][:, :3]) == ("red",)
    assert found["1f41f"].shape[0] > found["26f5"].shape[0]  # a fish keeps it


# -- the store


def test_what_is_written_is_read(tmp_path: Path) -> None:
    wide = np.zeros((40, 80, 4), np.uint8)
    wide[10:30, 20:60] = (*RED, 255)
    wide[29, 20:40] = 0  # the foot is the right half
    assert write_store(tmp_path, [("1f415", "noto", wide), ("1f98a", "noto", disc(RED))]) == 2
    store = SpriteStore(tmp_path)
    sprite = store.by_code["1f415"]["noto"]
    assert (sprite.width, sprite.height, sprite.colours) == (40, 20, ("red",))
    assert np.array_equal(store.pixels(sprite), wide[10:30, 20:60])
    assert store.pixels(store.by_code["1f98a"]["noto"]).shape == (60, 60, 4)
    assert sprite.foot == (0.0, 1.0)  # of the lowest tenth, two rows
    assert sprite.coat > 0.95
    with pytest.raises(ValueError, match="transparent"):
        write_store(tmp_path, [("1f415", "noto", np.zeros((4, 4, 4), np.uint8))])


def test_a_missing_store_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"make train-data.*--kinds landscape"):
        SpriteStore(tmp_path)
    (tmp_path / "index.json").write_text('{"format": 0}')
    with pytest.raises(FileNotFoundError, match="format 0"):
        SpriteStore(tmp_path)


# -- colours


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((220, 20, 60), "red"),  # crimson
        ((255, 140, 0), "orange"),  # dark orange
        ((255, 215, 0), "yellow"),  # gold
        ((34, 139, 34), "green"),  # forest green
        ((65, 105, 225), "blue"),  # royal blue
        ((128, 0, 128), "purple"),
        ((255, 182, 193), "pink"),  # light pink
        ((139, 69, 19), "brown"),  # saddle brown
        ((250, 250, 250), "white"),
        ((128, 128, 128), "grey"),
        ((10, 10, 12), "black"),
    ],
)
def test_colours_have_their_usual_names(colour: tuple[int, int, int], name: str) -> None:
    """The colours are CSS's, with the names people give them."""
    assert named_colours(np.array([colour], np.uint8)) == (name,)


def test_mixtures_are_named_by_two_or_not_at_all() -> None:
    red, white, green, blue = RED, (250, 250, 250), (30, 160, 40), (40, 80, 220)
    assert set(named_colours(np.array([red] * 6 + [white] * 4, np.uint8))) == {"red", "white"}
    assert named_colours(np.array([red, white, green, blue], np.uint8)) == ()
    assert named_colours(np.array([red] * 9 + [blue], np.uint8)) == ("red",)


@pytest.mark.parametrize("own", [(220, 40, 30), (240, 150, 20), (40, 90, 220), (60, 170, 60)])
@pytest.mark.parametrize("colour", TARGETS)
def test_repainting_gives_the_colour_it_says(own: tuple[int, int, int], colour: str) -> None:
    pixels = disc(own)
    pixels[60:70, 20:60, :3] = 40  # wheels
    painted = repainted(pixels, colour)
    coat = painted[10:60, 10:70, :3].reshape(-1, 3)
    assert named_colours(coat) == (colour,)
    assert np.array_equal(painted[..., 3], pixels[..., 3])
    assert np.abs(painted[60:70, 20:60].astype(int) - pixels[60:70, 20:60]).max() <= 1
    assert coat_share(pixels) == pytest.approx(1 - 400 / 3600, abs=0.02)


def test_grey_things_have_no_coat() -> None:
    grey = disc((128, 128, 128))
    assert coat_share(grey) == 0.0
    assert np.array_equal(repainted(grey, "red"), grey)


# -- the catalogue


def test_plurals() -> None:
    regular = {
        "dog": "dogs",
        "fox": "foxes",
        "cherry": "cherries",
        "toy": "toys",
        "torch": "torches",
        "slice of cake": "slices of cake",
        "cup with a straw": "cups with a straw",
        "bus seen from the front": "buses seen from the front",
    }
    assert {noun: plural_of(noun) for noun in regular} == regular


def test_the_catalogue_holds_what_it_should() -> None:
    codes = [each.code for each in concepts()]
    assert len(codes) == len(set(codes)) > 700
    assert sum(each.core for each in concepts()) >= 468
    for name, plural in (("fox", "foxes"), ("wolf", "wolves"), ("mouse", "mice"), ("deer", "deer")):
        assert plural in {each.plurals[0] for each in concepts() if each.name == name}
    for each in concepts():
        assert all(name == name.strip() and "  " not in name for name in each.names)
        assert each.size and len(each.names) == len(each.plurals)
        # A synonym never names another thing.
        for other in concepts():
            assert other.name == each.name or other.name not in each.names, each
