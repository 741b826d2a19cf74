"""Which of its losses does CycleGAN need (noto's emoji to openmoji's, without pairs)?

Training puts each designer's emoji in an order of its own and never looks at the names; the held-out pairs of equal
names judge the map from noto to openmoji. The recipe is cyclegan_emoji, shortened to 4,000 steps with one seed; nothing
was chosen by these figures. The rows in italics do nothing: "do nothing" copies the input. "Nearest input" gives the
answer to the nearest training input, so it sees pairs, which no CycleGAN does.

The pictures tell what the figures do not. With both losses, emoji get openmoji's black lines, and their own parts and
colours can be told. The GAN alone keeps the outer shape and fills all of them with one pattern: its map has collapsed,
as the paper says of the adversarial loss alone. Its error is no larger for it, since the true answer is white and thin
inside: the three rows with a game differ by less than the standard error over pairs (.006). The cycle alone comes home
by way of a negative, which no discriminator sees. Without the identity loss little changes.

In the picture the inputs are Google's Noto Emoji (Apache License 2.0) and the answers are made after OpenMoji (CC BY-SA
4.0).
"""

from dataclasses import replace

from train.studies import Study, colour

STEPS = 4000


def get_study() -> Study:
    """Return the study: the columns of colourisation, on other data."""
    rows = {
        "CycleGAN": {},
        "no identity loss": {"model.identity_weight": 0.0},
        "cycle alone": {"model.gan_weight": 0.0, "model.identity_weight": 0.0},
        "GAN alone": {"model.cycle_weight": 0.0},
    }
    return replace(
        colour.get_study(),
        recipe="cyclegan_emoji",
        rows={title: {"train_steps": STEPS, **overrides} for title, overrides in rows.items()},
        map="a_to_b",
        reference="pairs:emoji",
        seeds=(0,),
    )
