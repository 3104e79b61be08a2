"""One question, put by hand to the model of a run."""
