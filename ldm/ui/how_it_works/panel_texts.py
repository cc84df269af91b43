"""What each panel explains: its question, an answer in plain words, what to try, and the maths.

The maths holds markup (<sub>, <sup>, <i>); everything else is plain. Knows no components.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PanelText:
    """title: of the inner tab; question: heading; lead: for everyone; tries: what to do; maths: for
    who wants to check; sources: (title, address).
    """

    title: str
    question: str
    lead: str
    tries: tuple[str, ...]
    maths: str
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
    "noise": PanelText(
        "1 Noise to picture",
        "How does noise become a picture?",
        "The model never paints. At each step it is shown something noisy and says which part of "
        "it "
        "it takes for noise. What is left when that is taken away is its guess at the clean "
        "picture. "
        "The sampler moves a little towards the guess, and asks again with less noise.",
        (
            "Move the step slider from left to right. When can you first tell what it will be?",
            "Compare one step with many: why is the first guess blurred?",
        ),
        "The model is given <i>z</i> = <i>x</i> / √(σ² + 1) with <i>x</i> = <i>x</i><sub>0</sub> "
        "+ σ ε. "
        "From what it answers follows its guess <i>x̂</i><sub>0</sub> and, with it, the noise ε̂ = "
        "(<i>x</i> − <i>x̂</i><sub>0</sub>) / σ: the two recombine to <i>x</i> exactly. Trained "
        "by mean squared "
        "error, the guess is the mean of all clean pictures that could lie under this noise, "
        "which at "
        "high σ is a blur. Signal to noise is 1/σ², in decibels 10 log<sub>10</sub>. The step "
        "length is the root "
        "mean square of the change of <i>z</i>.",
        (_DDPM, _EDM),
    ),
    "latents": PanelText(
        "2 Latent space",
        "Why not work on pixels?",
        "An autoencoder packs the picture into a small grid of numbers, the latents, and unpacks "
        "it "
        "again. Diffusion happens in that small grid, which is far cheaper; the price is the "
        "detail "
        "that the packing loses.",
        (
            "Look for what the error map lights up: edges and fine texture.",
            "Open a photo of yours. Is it kept as well as the model's own pictures?",
            "Walk between four pictures: mixed in latents, and mixed in pixels.",
        ),
        "PSNR = 10 log<sub>10</sub>(2² / MSE) decibels for pictures in [−1, 1]; 30 dB is a mean "
        "error of 3% of "
        "that range. The ratio counts numbers: 3·H·W against C·h·w. Operations are counted by "
        "running the "
        "same U-Net on tensors without content, at the size of the latents and at the size of the "
        "pixels; convolutions grow with the number of positions, self-attention with its square.",
        (_LDM,),
    ),
    "words": PanelText(
        "3 Words",
        "What does the model read?",
        "Not letters and not quite words: the caption is cut into tokens from a fixed list, each "
        "with "
        "a number. Each number stands for a row of a table, an embedding. The text model lets the "
        "tokens look at those before them, so that each ends up knowing its context.",
        (
            "Press a token to see which entries of the list the model holds for its nearest "
            "relatives.",
            "Swap one word and draw with the same seed. What stays?",
        ),
        "Byte-pair encoding cuts the words. A token's input is its embedding plus that of its "
        "position. "
        "Cosine is the dot product of two vectors of length 1. The text model's self-attention is "
        "causal: softmax(<i>q k</i><sup>T</sup> / √<i>d</i>) over the tokens up to its own, so "
        "the upper triangle is empty.",
        (_CLIP, _ATTENTION),
    ),
    "looks": PanelText(
        "4 Where each word looks",
        "Which part of the picture listens to which word?",
        "In cross-attention each place of the picture asks all tokens “does this concern me?”, "
        "and shares "
        "out 100% of its attention among them. Light amber marks the places that gave a token "
        "more than "
        "others did. The tokens “begin”, “end” and “padding” take part as well, and often take "
        "most: "
        "they have seen no words or all of them, and serve as a place to put attention that no "
        "word wants.",
        (
            "Press a word, then move the step slider: layout first, detail later.",
            "Turn a word up or down and draw again with the same noise.",
        ),
        "For each layer, softmax(<i>q k</i><sup>T</sup> / √<i>d</i>) of that layer's own queries "
        "(from the picture) and keys (from "
        "the text states), averaged over its heads; maps of different layers are brought to one "
        "size and "
        "averaged. A word of several tokens adds theirs. The brightness scale of each picture "
        "ends at its own "
        "maximum, which is written below it. These are the model's weights of mixing, not a "
        "proof of cause: "
        "a text state carries its neighbours' meaning too.",
        (_ATTENTION, _DAAM),
    ),
    "network": PanelText(
        "5 The U-Net",
        "What is inside the network?",
        "On the way down the picture gets smaller and each place knows more of its surroundings; "
        "on the "
        "way up it gets large again. Skip connections carry fine detail straight across. "
        "Cross-attention "
        "lets the words in.",
        (
            "Press a block to see what it puts out at this step.",
            "Switch off a skip connection near the top, then one near the bottom. Which hurts "
            "more?",
            "Switch off all words: what does the model draw when it hears nothing?",
        ),
        "Drawn from the loaded network itself. A feature map has many channels; the colours are "
        "its three "
        "main directions (PCA over the cells), so equal colours mean alike cells, and the "
        "colours have no "
        "names. What is switched off is replaced by zeros, in your picture's rows alone.",
        (_UNET, _LDM),
    ),
    "time": PanelText(
        "6 Time",
        "How does the model know how noisy it is?",
        "It is told. The noise level is turned into a pattern of waves, fast and slow, like the "
        "hands of many "
        "clocks, and the pattern is fed to every block. The sampler chooses at which levels it "
        "asks.",
        (
            "Move the step slider and watch the marked row move through the waves.",
            "Compare two samplers from the same noise: do they arrive at the same place?",
        ),
        "cos(<i>t</i> ω<sub>i</sub>) and sin(<i>t</i> ω<sub>i</sub>) with ω<sub>i</sub> = "
        "10000<sup>−i/(d/2)</sup>, then two linear layers. "
        "ᾱ<sub>t</sub> is the share of signal in the variance, σ = √((1 − ᾱ) / ᾱ). Paths are "
        "shown in the plane in which the "
        "latents of both runs differ most (PCA).",
        (_DDPM, _DDIM, _EDM),
    ),
    "guidance": PanelText(
        "7 Guidance",
        "How are the words made to count?",
        "The model is asked twice: once with your caption, once without (or with what to leave "
        "out). The "
        "difference is what the words change. Guidance goes further in that direction than the "
        "model itself "
        "would.",
        (
            "Find the step where the difference is largest.",
            "Sweep the guidance: too little ignores the words, too much overdoes contrast.",
            "Write something into “leave out”: it replaces the empty caption, and the step leads "
            "away from it.",
        ),
        "<i>x̂</i> = <i>x̂</i><sub>neg</sub> + <i>w</i> (<i>x̂</i><sub>prompt</sub> − "
        "<i>x̂</i><sub>neg</sub>), here for the clean latents; the formula is the same for the "
        "noise, "
        "because one follows from the other linearly. <i>w</i> = 1 is the caption alone. The "
        "paper's own <i>w</i> counts from 0.",
        (_CFG,),
    ),
    "both_ways": PanelText(
        "8 Forward and back",
        "What was the model trained to do?",
        "To undo this: take a picture, add noise, and name the noise. There is nothing else to "
        "the training. "
        "Start from a noised picture instead of pure noise and you have image-to-image: "
        "“strength” says "
        "how far to the left you start.",
        (
            "Raise the noise until you no longer know the picture. Does the model still?",
            "Draw back from there: what is kept, what is invented?",
        ),
        "<i>z</i> = √ᾱ <i>x</i><sub>0</sub> + √(1 − ᾱ) ε. The loss at a level is the mean "
        "squared error of the noise that the model names "
        "(2006.11239, eq. 14), measured on this picture, this caption and one noise, the same at "
        "every level. "
        "Near σ = 0 the noise drowns in the detail, so the error is large there although the "
        "picture is good.",
        (_DDPM, _SDEDIT),
    ),
    "matching": PanelText(
        "9 Text and image together",
        "Can a machine tell whether words and picture fit?",
        "A CLIP model was trained on pairs of pictures and captions until matching pairs pointed "
        "the same "
        "way. It turns both into directions; the closer they are, the better they match.",
        ("Write captions that are nearly right. How small a difference does it notice?",),
        "Cosine of the two projected, normalised embeddings. Absolute values are low (0.2 to "
        "0.35 is a good "
        "match) because pictures and texts lie in separate cones; compare within a row or a "
        "column.",
        (_CLIP,),
    ),
}
