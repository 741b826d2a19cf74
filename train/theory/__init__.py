"""Claims of the theory of adversarial training and of world models, each as an experiment: python -m train.theory.

An experiment is a module whose docstring states the claim, and whose `run(seeds, budget)` returns a `result.Result`:
one training for each of the `seeds`, with the share `budget` of the full number of steps.
"""

# in the order of the page
EXPERIMENTS = (
    "parallel_lines",
    "optimal_discriminator",
    "vanishing_gradient",
    "level_sets",
    "loss_and_quality",
    "equilibrium",
    "cycle_consistency",
    "progressive_growing",
    "open_loop_error",
    "planning_horizon",
    "dream_temperature",
)
