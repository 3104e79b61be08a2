"""Studies: each a step of the iLoRA paper's argument, one file each, and what they share."""
