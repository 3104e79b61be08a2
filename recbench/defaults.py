"""What is asked where nobody says otherwise; without imports, so that the help is quick."""

DRAWS = 5
"""Draws of each example's negatives."""

PACK_SEED = 0
"""Seed of the candidate pack."""
