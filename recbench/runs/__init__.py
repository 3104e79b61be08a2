"""Run records: what was run, where it is stored, and the tables made from it."""
