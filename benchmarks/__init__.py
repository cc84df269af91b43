"""How fast this project is against others, in one run on one machine: ``python -m benchmarks``."""
