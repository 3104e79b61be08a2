"""From raw files to a prepared dataset: cards, sources, readers, the catalogue and its titles."""
