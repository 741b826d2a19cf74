"""Which objective makes the best digits (MNIST) with one network and one budget?

The study of Fashion-MNIST with the same rows and settings, none of them chosen anew for the digits. Flow matching was
not trained yet.

The published ranking (FID by Inception, mean and standard deviation over 50 seeds of each at its best of 100 settings;
no deviation is given for DRAGAN) is WGAN 6.7 +- 0.4, NS GAN 6.8 +- 0.5, DRAGAN 7.6, LSGAN 7.8 +- 0.6, MM GAN 9.8 +-
0.9, WGAN-GP 20.3 +- 5.0. Here DRAGAN and WGAN-GP lead these six, and WGAN is behind MM GAN.

The curves show what parts them: a penalty on the discriminator. Without one NS GAN is best at step 5,000 and no better
after, while its discriminator grows sure of itself; MM GAN lost its game at the start and found back after step 12,500.
DRAGAN, WGAN-GP and the relativistic game with R1 and R2 improve to the end. With one training of each row these three
(0.27 to 0.34) have no order: on garments five trainings of DRAGAN lay that far apart. In a table of a tenth of this
budget, which stood here before, NS GAN led and WGAN-GP was last but one.
"""

from dataclasses import replace

from train.studies import Study, fashion


def get_study() -> Study:
    """Return the study."""
    study = fashion.get_study()
    return replace(study, rows={title: {"data.name": "mnist", **row} for title, row in study.rows.items()})
