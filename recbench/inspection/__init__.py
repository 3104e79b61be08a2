"""A closer look at one run: at its answers, and at those of its model when asked otherwise."""
