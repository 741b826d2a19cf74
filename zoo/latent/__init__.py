"""Latent-variable models, one paper in one file each."""
