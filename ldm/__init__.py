"""Latent diffusion in the open: an engine, a command line and a browser app around it."""

__version__ = "0.1.0"
