"""A run on the disk: names of files, checkpoints, state, the way back, pictures."""
