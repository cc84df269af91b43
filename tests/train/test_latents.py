"""The scales that the embedded model's latents are given, and the weights of the U-Net's loss."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ldm.checkpoints.load import load
from ldm.models.patch_autoencoder import PatchAutoencoder, start_from_principal_patches
from ldm.train.autoencoder import importance, latent_scales, measure_latents
from ldm.train.data import Drawings
from ldm.train.diffusion import add_noise, encode_drawings, loss_weights
from ldm.train.encoding import digest, encoded
from ldm.train.weights import training_dtype
from tests.train.small_autoencoder import CONFIG


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    coarse = torch.rand((16, 3, 8, 8), generator=torch.Generator().manual_seed(0)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=(64, 64), mode="bicubic")


@pytest.fixture(scope="module")
def linear(pictures: torch.Tensor) -> PatchAutoencoder:
    """An autoencoder that is still the linear map it starts from."""
    model = PatchAutoencoder(CONFIG)
    start_from_principal_patches(model, pictures)
    return model.requires_grad_(False)


def test_importance_is_what_a_linear_decoder_makes_of_a_channel(
    linear: PatchAutoencoder, pictures: torch.Tensor
) -> None:
    """There noise of deviation s on a channel moves a patch's pixels by s times the length of the
    channel's direction. 10%: the noise is a sample of 1,024 numbers."""
    raw = linear.encoder(pictures)
    directions = linear.decoder.linear.weight.flatten(1)
    expected = raw.std((0, 2, 3)) * directions.norm(dim=1) / directions.shape[1] ** 0.5
    assert torch.allclose(importance(linear, raw), expected, rtol=0.1)


def test_latents_are_centred_and_the_most_telling_are_the_largest(
    linear: PatchAutoencoder, pictures: torch.Tensor
) -> None:
    config = measure_latents(linear, [pictures[:8], pictures[8:]])
    measured = PatchAutoencoder(config)
    measured.load_state_dict(linear.state_dict())
    with torch.no_grad():
        latents = measured.encode(pictures)
        raw = linear.encoder(pictures)
    scales = latent_scales(importance(linear, raw))
    assert latents.mean((0, 2, 3)).abs().max() < 1e-3  # rounded to five digits
    # 5%: importance is measured on every other picture there is
    assert torch.allclose(latents.std((0, 2, 3)), scales, rtol=0.05)
    assert scales.max() == pytest.approx(1.6)
    assert bool((scales.diff() < 0).all())  # principal directions come in order
    assert replace(config, latents_mean=CONFIG.latents_mean, latents_std=CONFIG.latents_std) == (
        CONFIG
    )


def test_the_loss_weighs_clean_latents_as_velocity_does_down_to_a_bound() -> None:
    """v = alpha e - sigma x0 (Salimans & Ho 2022): with the noisy latents given, an error d of x0
    is an error d / sigma of v."""
    alphas_cumprod = torch.tensor([0.0, 0.5, 0.84, 0.999])
    generator = torch.Generator().manual_seed(0)
    x0, noise, error = torch.randn((3, 4, 2, 3, 3), generator=generator)
    noisy = add_noise(x0, noise, alphas_cumprod)
    alpha, sigma = (
        value.sqrt()[:, None, None, None] for value in (alphas_cumprod, 1 - alphas_cumprod)
    )

    def velocity(clean: torch.Tensor) -> torch.Tensor:
        return alpha * (noisy - alpha * clean) / sigma - sigma * clean

    theirs = (velocity(x0 + error) - velocity(x0)).square().mean((1, 2, 3))
    ours = error.square().mean((1, 2, 3)) * loss_weights(alphas_cumprod)
    assert torch.allclose(ours[:3], theirs[:3], rtol=1e-4)
    assert ours[3] < theirs[3] / 100


def test_a_models_own_autoencoder_encodes_for_training(embedded_model: Path) -> None:
    """As it comes from a folder, where training that lost its state starts: laid out for inference
    once it is used, where the processor calculates with bfloat16. 0.02 of the latents' deviation:
    what bfloat16 rounds differs from layout to layout; float32's latents differ by 1e-5.
    """
    cpu = torch.device("cpu")
    vae = load(embedded_model, cpu, training_dtype(cpu)).vae
    assert isinstance(vae, PatchAutoencoder)
    pictures = torch.rand((2, 3, 64, 64), generator=torch.Generator().manual_seed(0)) * 2 - 1
    before = digest(vae.encoder, b"")
    wanted = vae.encode(pictures.to(training_dtype(cpu))).float()
    (found,) = encoded(vae, [pictures])
    assert (found - wanted).square().mean().sqrt() < 0.02 * wanted.std()
    assert digest(vae.encoder, b"") == before


def test_latents_of_drawings_by_other_code_are_made_anew(
    linear: PatchAutoencoder, tmp_path: Path
) -> None:
    """Though the captions are the same: a brush was changed, and the folder's name with it."""
    found = []
    for number, version in enumerate(("64-before", "64-after")):
        drawn = tmp_path / version
        drawn.mkdir()
        picture = np.full((1, 64, 64, 3), 60 + 120 * number, np.uint8)
        np.save(drawn / "0000000000.npy", picture)
        (drawn / "0000000000.json").write_text('["a lake"]')
        found.append(encode_drawings(linear, Drawings(drawn), 64, tmp_path))
    assert not torch.equal(*found)
    again = encode_drawings(linear, Drawings(tmp_path / "64-before"), 64, tmp_path)
    assert torch.equal(found[0], again)
