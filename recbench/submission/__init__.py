"""What leaves the house: runs in one file that somebody else checks, and in others' words."""
