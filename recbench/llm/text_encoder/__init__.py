"""Titles into vectors."""
