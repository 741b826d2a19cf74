"""The sources of data, one file each."""
