"""Whether a language model recites a dataset that it has read: before tuning, by greedy writing."""
