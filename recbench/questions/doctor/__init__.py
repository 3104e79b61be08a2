"""What is wrong with a dataset under a protocol: `recbench data doctor`."""
