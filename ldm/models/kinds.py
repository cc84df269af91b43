"""Which networks take each other's place, under one name for each place."""

from ldm.models.autoencoder_tiny import AutoencoderTiny
from ldm.models.k_unet import KUNet2DConditionModel
from ldm.models.patch_autoencoder import PatchAutoencoder
from ldm.models.unet import UNet2DConditionModel
from ldm.models.unet_2d import UNet2DModel
from ldm.models.vae import AutoencoderKL
from ldm.models.vq_model import VQModel

Autoencoder = AutoencoderKL | AutoencoderTiny | PatchAutoencoder | VQModel
UNet = UNet2DConditionModel | UNet2DModel | KUNet2DConditionModel
