"""Does packing keep a generator from dropping modes of Stacked MNIST, which has 1,000?

A plain DCGAN and the same with a discriminator that judges two pictures at once, equal in all else. A step is that of
the authors' program: one update of the discriminator on 64 packs of each kind, and two of the generator. A picture is
three digits laid on each other as colours; a classifier reads them back from 26,000 samples, and the three digits are
the mode; see `zoo.metrics.modes`.

Here there is nothing to keep: the plain DCGAN, which finds fewer than 100 modes in the paper, drops none or one of the
1,000. With packing it is one with every seed, and the reverse KL is no smaller. So the effect is neither reproduced nor
refuted: this DCGAN is not the one that collapses. To let the six runs fit into about an hour on two cores it was cut to
16,000 of 100,000 steps, to 16 channels next to the image for 64, and by two layers in each network; besides, held-out
digits were not trained on, and pixels are in [-1, 1] as the generator's are, where their program leaves them in [0, 1].
Which of these matters, the table does not say.

The number of updates, or of steps, does: a shorter study before this one (6,000 steps of 64 pictures, hence 32 packs,
and one update of the generator; the same seeds and samples) found 857 +- 63 modes without packing and 688 +- 40 with
it. The reverse KL is still far from that of real stacks of the test split, which have all 1,000 modes and 0.0255 nats
by the same classifier: some modes are rare, or some digits misread, and a misread one can count for a mode.
"""

from train.studies import Column, Study


def get_study() -> Study:
    """Return the study."""
    return Study(
        recipe="pacgan_stacked",
        rows={
            "DCGAN": {"model.packing": 1, "batch_size": 64},
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
        "packs, larger networks, another classifier, and digits of MNIST's train and test splits together.",
    )
