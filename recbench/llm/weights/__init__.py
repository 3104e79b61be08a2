"""What a language model is and where it lies: files found, named by digest, read."""
