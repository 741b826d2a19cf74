"""Training: data, recipes and the loop that runs them."""
