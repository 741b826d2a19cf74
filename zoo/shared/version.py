"""The version of this package: that of its wheel too."""

VERSION = "0.2.0"
