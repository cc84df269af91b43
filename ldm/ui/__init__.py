"""The page: builds and shows. It computes no pictures, and loads nothing at import."""
