"""Free emoji art for the drawings: fetched with npm, checked, rendered once, kept out of git."""
