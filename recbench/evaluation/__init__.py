"""From scores and written answers to per-example values, means and what a difference is worth."""
