"""The nine panels in their order: how many things each suggests to try, and what it draws on.

Their words stand in `assets/panels/`, under names that begin with `panel_` and the panel's own.
Knows no components.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Contents:
    """tries: how many things to do it suggests; sources: (title, address)."""

    tries: int
    sources: tuple[tuple[str, str], ...]


_DDPM = (
    "Ho, Jain & Abbeel 2020: Denoising Diffusion Probabilistic Models",
    "https://arxiv.org/abs/2006.11239",
)
_EDM = (
    "Karras et al. 2022: Elucidating the Design Space of Diffusion-Based Generative Models",
    "https://arxiv.org/abs/2206.00364",
)
_LDM = (
    "Rombach et al. 2022: High-Resolution Image Synthesis with Latent Diffusion Models",
    "https://arxiv.org/abs/2112.10752",
)
_CFG = (
    "Ho & Salimans 2022: Classifier-Free Diffusion Guidance",
    "https://arxiv.org/abs/2207.12598",
)
_ATTENTION = ("Vaswani et al. 2017: Attention Is All You Need", "https://arxiv.org/abs/1706.03762")
_CLIP = (
    "Radford et al. 2021: Learning Transferable Visual Models From Natural Language Supervision",
    "https://arxiv.org/abs/2103.00020",
)
_DAAM = (
    "Tang et al. 2022: What the DAAM: Interpreting Stable Diffusion Using Cross Attention",
    "https://arxiv.org/abs/2210.04885",
)
_UNET = ("Ronneberger, Fischer & Brox 2015: U-Net", "https://arxiv.org/abs/1505.04597")
_SDEDIT = ("Meng et al. 2022: SDEdit", "https://arxiv.org/abs/2108.01073")
_DDIM = (
    "Song, Meng & Ermon 2021: Denoising Diffusion Implicit Models",
    "https://arxiv.org/abs/2010.02502",
)

PANELS = {
    "noise": Contents(2, (_DDPM, _EDM)),
    "latents": Contents(3, (_LDM,)),
    "words": Contents(2, (_CLIP, _ATTENTION)),
    "looks": Contents(2, (_ATTENTION, _DAAM)),
    "network": Contents(3, (_UNET, _LDM)),
    "time": Contents(2, (_DDPM, _DDIM, _EDM)),
    "guidance": Contents(3, (_CFG,)),
    "both_ways": Contents(2, (_DDPM, _SDEDIT)),
    "matching": Contents(1, (_CLIP,)),
}
