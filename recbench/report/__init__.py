"""Results to look at, one HTML file or a site, made from records alone."""
