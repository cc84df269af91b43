"""Eight lessons: short walks through the panels. Predict, then see it measured on your own run."""
