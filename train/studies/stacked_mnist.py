"""Does packing keep a generator from dropping modes of Stacked MNIST, which has 1,000?

A plain DCGAN and the same with a discriminator that judges two pictures at once, equal in all else. A picture is three
digits laid on each other as colours; a classifier reads them back from 26,000 samples, and the three digits are the
mode; see `zoo.metrics.modes`.

Not at this length: 6,000 steps, where the paper has 50 epochs of 2,000. The plain DCGAN, which finds fewer than 100
modes there, finds most of them here, and with packing there are fewer, perhaps since the discriminator judges half as
many packs in a step. Many digits are still hard to read, and a misread one can count for a mode. Real stacks of the
test split, read by the same classifier, have all 1,000 modes and a reverse KL of 0.0255 nats.
"""

from train.studies import Column, Study


def get_study() -> Study:
    """Return the study."""
    return Study(
        recipe="pacgan_stacked",
        rows={
            "DCGAN": {"model.packing": 1},
            "PacDCGAN2": {"model.packing": 2},
        },
        metrics=("stacked_modes",),
        columns={
            "modes of 1,000": Column("stacked_modes", "modes", digits=1),
            "reverse KL, nats (less is better)": Column("stacked_modes", "reverse_kl", digits=3),
        },
        count=26_000,
        published={
            "DCGAN": ("78.9 ± 6.46", "4.50 ± 0.127"),
            "PacDCGAN2": ("1000.0 ± 0.00", "0.06 ± 0.003"),
        },
        source="Lin, Khetan, Fanti and Oh (2018), mean ± standard error; not the same protocol: 50 epochs of 128,000 "
        "packs, larger networks, two updates of the generator for each of the discriminator, another classifier, "
        "and digits of MNIST's train and test splits together.",
    )
