"""The shape of an autoencoder that is trained in a moment: 8 x 8 pixels to 4 numbers."""

from ldm.models.patch_autoencoder import PatchAutoencoderConfig

CONFIG = PatchAutoencoderConfig(
    latent_channels=4,
    widths=(8, 8),
    encoder_blocks=(1, 1),
    decoder_blocks=(1, 1),
    latents_mean=(0.0,) * 4,
    latents_std=(1.0,) * 4,
)
