"""Autoregressive models: one conditional distribution after another."""
