"""A page of results to look at: one HTML file, made from records alone."""
