"""Runs on disk: one folder a run, its record, and the tables made from many records."""
