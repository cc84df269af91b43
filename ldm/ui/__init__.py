"""The page: it builds and shows. Nothing here computes pictures, and nothing is loaded at import."""
