"""TensorFlow without a run: how it starts, strategies, optimisers, averages. The theory uses it too."""
