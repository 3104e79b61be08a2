"""A language model read and asked to write, in each way that an architecture is able to."""
