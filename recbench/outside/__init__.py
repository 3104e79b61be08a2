"""Answers from outside: frozen questions as files, and records of what others answer to them."""
