"""The networks: U-Net, autoencoders, text encoder.

Attribute names are the keys of the checkpoint files (diffusers' layout). The modules here
know shapes and weights; they know nothing of noise schedules, samplers, prompts' guidance,
files or devices.
"""
