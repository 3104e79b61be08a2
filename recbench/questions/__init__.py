"""Asking questions of the data: protocols, splits and candidates, frozen before any model."""
