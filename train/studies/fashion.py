"""Which objective makes the best garments (Fashion-MNIST) at one network and one number of updates of the generator?

The rows are those of "Are GANs created equal?" (Lucic, Kurach, Michalski, Gelly and Bousquet 2018) and two that came
later. Nothing else differs but what a method's paper asks for: WGAN and WGAN-GP update the critic five times a step,
each time on a minibatch of its own, so that they see five times as many images and take longer. The checkpoint "best"
has the least Frechet distance to the train split while training; all figures are of the test split.
"""

from train.studies import Column, Study

FIVE_UPDATES = {"model.n_critic": 5, "batch_size": 320}


def get_study() -> Study:
    """Return the study."""
    return Study(
        recipe="gan_grid_fashion",
        rows={
            "MM GAN": {"objective": "minimax"},
            "NS GAN": {"objective": "non_saturating"},
            "LSGAN": {"objective": "least_squares"},
            "WGAN": {"objective": "wasserstein", "penalty": "clipping", **FIVE_UPDATES},
            "WGAN-GP": {"objective": "wasserstein", "penalty": "gradient", **FIVE_UPDATES},
            "DRAGAN": {"objective": "non_saturating", "penalty": "dragan"},
            "SNGAN, hinge": {"objective": "hinge", "model.normalization": "spectral"},
            "RpGAN + R1 + R2": {"objective": "relativistic", "penalty": "r1_r2", "model.penalty_weight": 1.0},
        },
        metrics=("frechet", "precision_recall"),
        columns={
            "Frechet distance (less is better)": Column("frechet", "frechet_distance"),
            "precision": Column("precision_recall", "precision", digits=3),
            "recall": Column("precision_recall", "recall", digits=3),
        },
        checkpoints=("last", "best"),
    )
