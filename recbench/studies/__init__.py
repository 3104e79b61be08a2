"""The studies of the iLoRA paper, one file each."""
