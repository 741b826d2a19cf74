"""Judging models: metrics, samplers, the schedule while training, the program `python -m train.evaluate`."""
