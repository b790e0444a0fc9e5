"""A look at a data set before training: what is in it, what is suspect, what a run on it will cost."""
