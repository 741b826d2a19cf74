"""Flows: models that carry noise to data along an ordinary differential equation, one paper in one file each."""
