"""Things drawn from sprites: what there is, how it looks, where it stands; and backgrounds."""
