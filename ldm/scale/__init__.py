"""Engines on many processes, devices and hosts, over Ray Serve: an extra that needs
requirements-scale.txt. Nothing outside this package imports Ray.
"""
