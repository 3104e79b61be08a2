"""From stored values to what they are worth: intervals, differences, the best, and power."""
