"""From scores and text to per-example values, metrics and intervals."""
