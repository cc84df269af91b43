"""The matrix of captions and pictures against transformers' own similarity, on a small CLIP."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

from ldm.checkpoints.load import CheckpointError
from ldm.explain.matching import load_matcher
from ldm.train.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["a lake at dawn", "a forest in the rain"] * 5, 600)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    text = {**small, "num_hidden_layers": 1, "vocab_size": len(tokenizer)}
    text |= {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id}
    vision = {**small, "num_hidden_layers": 1, "image_size": 32, "patch_size": 8}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8))
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    path = tmp_path_factory.mktemp("clip")
    model.save_pretrained(path)
    CLIPProcessor(CLIPImageProcessor(**size), tokenizer).save_pretrained(path)
    return path


def test_cosines_are_the_logits_without_temperature(folder: Path) -> None:
    captions = ["a lake at dawn", "a forest"]
    images = [Image.new("RGB", (40, 32), colour) for colour in ("teal", "white", "brown")]
    found = load_matcher(str(folder)).cosines(captions, images)
    model = CLIPModel.from_pretrained(folder).eval()
    processor = CLIPProcessor.from_pretrained(folder)
    given = processor(text=captions, images=images, return_tensors="pt", padding=True)
    with torch.no_grad():
        logits = model(**given).logits_per_text
        expected = logits / model.logit_scale.exp()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert found.shape == (2, 3)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not load"):
        load_matcher(str(tmp_path))
