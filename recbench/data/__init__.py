"""From raw files to a split: cards, readers, filters, protocols, the prepared dataset."""
