"""Cells of a leaderboard or a study: run here or on a cluster, a process a cell."""
