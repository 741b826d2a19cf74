"""Bundles for TF Serving: a model repository and its configuration, compose and Kubernetes files, example clients."""
