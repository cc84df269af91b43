"""The named endpoints, called as another program calls them."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from tests.e2e.tab import recipe_in

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def client(app_url: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(app_url, verbose=False, download_files=tmp_path_factory.mktemp("client"))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    values = np.random.default_rng(3).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    Image.fromarray(values).save(path)
    return path


def test_text_to_image(client: Client) -> None:
    files, recipe = client.predict(
        prompt="a lake at dawn",
        seed=5,
        num_inference_steps=4,
        num_images=2,
        api_name="/text_to_image",
    )
    drawn = [recipe_in(Path(file).read_bytes()) for file in files]
    assert [one.seed for one in drawn] == [5, 6]
    assert recipe["prompt"] == drawn[0].prompt == "a lake at dawn"
    assert recipe["num_inference_steps"] == 4


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

    mask = np.zeros((256, 256), dtype=np.uint8)
    mask[96:160, 96:160] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    files, _ = client.predict(
        prompt="a lake at dawn",
        image=handle_file(picture),
        mask=handle_file(tmp_path / "mask.png"),
        mask_feather=0,
        width=256,
        height=256,
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


def test_upscale_asks_for_a_model_that_does_it(client: Client, picture: Path) -> None:
    """The embedded model does not; tests/test_upscale.py draws with small ones that do."""
    with pytest.raises(AppError, match="task: got 'upscale'"):
        client.predict(image=handle_file(picture), api_name="/upscale")


def test_curl_alone_is_enough(app_url: str) -> None:
    """As the page's own documentation of the endpoints has it: one POST, then a stream to read."""
    # All arguments in their order; what is null takes the model's own choice.
    body = json.dumps({"data": ["a lake at dawn", None, 5, None, None, None, 3, *[None] * 7]})
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


def test_a_path_on_the_server_is_no_upload(client: Client) -> None:
    with pytest.raises(AppError, match="image: got no uploaded file"):
        client.predict(prompt="a lake", image={"path": __file__}, api_name="/image_to_image")
