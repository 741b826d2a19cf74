"""Which objective makes the best digits (MNIST) with one network and one budget?

The study of Fashion-MNIST with the same rows and settings, none of them chosen anew for the digits.

The published ranking (FID by Inception, mean and standard deviation over 50 seeds of each at its best of 100 settings;
no deviation is given for DRAGAN) is WGAN 6.7 +- 0.4, NS GAN 6.8 +- 0.5, DRAGAN 7.6, LSGAN 7.8 +- 0.6, MM GAN 9.8 +-
0.9, WGAN-GP 20.3 +- 5.0. Here NS GAN leads these six, DRAGAN is within the seeds' spread of it, MM GAN and LSGAN
follow, and the critics come last, with WGAN behind WGAN-GP. The relativistic game with R1 and R2 equals NS GAN; only
the row that sees the labels beats it by more than the spread.
"""

from dataclasses import replace

from train.studies import Study, fashion


def get_study() -> Study:
    """Return the study."""
    study = fashion.get_study()
    return replace(study, rows={title: {"data.name": "mnist", **row} for title, row in study.rows.items()})
