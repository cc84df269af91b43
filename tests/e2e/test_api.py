"""The named endpoints, called as another program calls them."""

import asyncio
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent, Tool
from PIL import Image

from tests.e2e.tab import RUN_MS, recipe_in

pytestmark = pytest.mark.e2e
SIDE = 128  # pixels: quick to draw, whatever the model was made for


@pytest.fixture(scope="module")
def client(app_url: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(app_url, verbose=False, download_files=tmp_path_factory.mktemp("client"))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    values = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    Image.fromarray(values).save(path)
    return path


def test_text_to_image(client: Client) -> None:
    files, recipe = client.predict(
        prompt="a lake at dawn",
        seed=5,
        num_inference_steps=4,
        num_images=2,
        width=SIDE,
        height=SIDE,
        variation_seed=7,
        variation_strength=0.2,
        guidance_end=0.8,
        cache_interval=2,
        api_name="/text_to_image",
    )
    drawn = [recipe_in(Path(file).read_bytes()) for file in files]
    assert [(one.seed, one.variation_seed) for one in drawn] == [(5, 7), (5, 8)]
    assert recipe["prompt"] == drawn[0].prompt == "a lake at dawn"
    assert recipe["num_inference_steps"] == 4
    assert (recipe["guidance_end"], recipe["cache_interval"]) == (0.8, 2)


def test_image_to_image_and_inpaint(client: Client, picture: Path, tmp_path: Path) -> None:
    files, recipe = client.predict(
        prompt="a lake at dawn",
        image=handle_file(picture),
        strength=0.5,
        num_inference_steps=4,
        api_name="/image_to_image",
    )
    assert recipe["strength"] == 0.5
    assert recipe_in(Path(files[0]).read_bytes()).init_image

    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    mask[48:80, 48:80] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    files, _ = client.predict(
        prompt="a lake at dawn",
        image=handle_file(picture),
        mask=handle_file(tmp_path / "mask.png"),
        mask_feather=0,
        width=SIDE,
        height=SIDE,
        num_inference_steps=4,
        api_name="/inpaint",
    )
    result = np.asarray(Image.open(files[0]).convert("RGB"))
    original = np.asarray(Image.open(picture))
    assert (result[mask == 0] == original[mask == 0]).all()
    assert (result[mask == 255] != original[mask == 255]).any()


def test_refusals_name_the_field(client: Client) -> None:
    with pytest.raises(AppError, match="num_inference_steps: got 10000"):
        client.predict(prompt="a lake", num_inference_steps=10_000, api_name="/text_to_image")
    with pytest.raises(AppError, match="prompt: got ''"):
        client.predict(prompt="", api_name="/text_to_image")


def test_upscale_redraws_in_tiles(client: Client, tmp_path: Path) -> None:
    """With the embedded model; tests/test_upscale.py draws with small ones that enlarge."""
    picture = tmp_path / "small.png"
    Image.linear_gradient("L").convert("RGB").resize((96, 64)).save(picture)
    files, recipe = client.predict(
        image=handle_file(picture), num_inference_steps=10, api_name="/upscale"
    )
    assert Image.open(files[0]).size == (192, 128)
    assert (recipe["task"], recipe["width"], recipe["strength"]) == ("upscale", 192, 0.15)
    assert recipe_in(Path(files[0]).read_bytes()).to_json() == json.dumps(recipe)
    with pytest.raises(AppError, match="upscale_factor: got 3"):
        client.predict(image=handle_file(picture), factor=3, api_name="/upscale")


def test_curl_alone_is_enough(app_url: str) -> None:
    """As the page's own documentation of the endpoints has it: one POST, then a stream to read."""
    # All arguments in their order; what is null takes the model's own choice.
    size = (SIDE, SIDE, 1)  # and one picture
    body = json.dumps({"data": ["a lake at dawn", None, 5, None, None, *size, 3, *[None] * 11]})
    call = ["curl", "-sf", "-H", "Content-Type: application/json", "-d", body]
    address = f"{app_url}gradio_api/call/text_to_image"
    event = json.loads(subprocess.run([*call, address], capture_output=True, check=True).stdout)
    stream = subprocess.run(
        ["curl", "-sfN", f"{address}/{event['event_id']}"], capture_output=True, check=True
    ).stdout.decode()
    assert "event: complete" in stream
    files, recipe = json.loads(stream.rpartition("data: ")[2])
    assert recipe["seed"] == 5
    assert recipe["num_inference_steps"] == 3
    file = f"{app_url}gradio_api/file={files[0]['path']}"
    png = subprocess.run(["curl", "-sf", file], capture_output=True, check=True).stdout
    assert recipe_in(png).seed == 5


async def ask_by_mcp(url: str) -> tuple[list[Tool], CallToolResult]:
    """The tools that a language model is offered, and one of them used."""
    async with (
        streamable_http_client(f"{url}gradio_api/mcp/") as (reading, writing, _),
        ClientSession(reading, writing) as session,
    ):
        await session.initialize()
        offered = await session.list_tools()
        asked = {"prompt": "a lake at dawn", "seed": 5, "num_inference_steps": 3}
        return offered.tools, await session.call_tool("text_to_image", asked)


def test_the_endpoints_are_tools_of_language_models(app_url: str) -> None:
    with ThreadPoolExecutor(1) as elsewhere:  # the browser keeps this thread's event loop
        tools, answer = elsewhere.submit(asyncio.run, ask_by_mcp(app_url)).result(RUN_MS / 1000)
    assert {tool.name for tool in tools} == {
        "text_to_image",
        "image_to_image",
        "inpaint",
        "upscale",
    }
    for tool in tools:
        fields = tool.inputSchema["properties"].values()
        assert tool.description and all(field["description"] for field in fields), tool.name
    assert not answer.isError
    texts = [part.text for part in answer.content if isinstance(part, TextContent)]
    assert any("'seed': 5" in text and ".png" in text for text in texts), answer.content


def test_a_path_on_the_server_is_no_upload(client: Client) -> None:
    with pytest.raises(AppError, match="image: got no uploaded file"):
        client.predict(prompt="a lake", image={"path": __file__}, api_name="/image_to_image")
