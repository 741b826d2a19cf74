"""Which of its losses does CycleGAN need (noto's emoji to openmoji's, without pairs)?

Training puts each designer's emoji in an order of its own and never looks at the names; the held-out pairs of equal
names judge the map from noto to openmoji. The recipe is cyclegan_emoji, shortened to 4,000 steps with one seed; nothing
was chosen by these figures. The rows in italics do nothing: "do nothing" copies the input. "Nearest input" gives the
answer to the nearest training input, so it sees pairs, which no CycleGAN does.

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
