"""Models that make a picture of a picture, one paper in one file each."""
