"""The evaluation harness for sequential recommendation with and without language models."""

__version__ = "0.1.0"
