"""What a paper shows, beside what is on record here and what the rest would take."""
