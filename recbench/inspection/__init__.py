"""A closer look at one run, of which nothing is asked again."""
