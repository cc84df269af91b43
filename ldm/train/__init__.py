"""How the embedded model is made: drawing, tokenizer, autoencoder, diffusion, export.

Nothing here is imported by the app. `python -m ldm.train --help` lists the stages.
"""
