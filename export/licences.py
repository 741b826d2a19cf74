"""The data sets that presets are trained on: under what licence each may be passed on, and whom it names.

What stands here is what the source of each set says; of MNIST, whose files say nothing, what Keras says of it. No
TensorFlow.
"""

import re
from dataclasses import dataclass

from train.data import has_path
from zoo.shared.errors import UserError


@dataclass(frozen=True)
class Licence:
    """What a set is called, its licence, and whom and what it is to name."""

    title: str
    licence: str
    attribution: str


_EMOJI = "drawn at 64 px"
TABLE = {
    "mnist": Licence(
        "MNIST", "CC BY-SA 3.0", "Yann LeCun and Corinna Cortes; derived from databases of NIST (LeCun et al. 1998)"
    ),
    "fashion_mnist": Licence("Fashion-MNIST", "MIT", "Zalando SE (Xiao, Rasul and Vollgraf 2017)"),
    "digits": Licence(
        "Optical Recognition of Handwritten Digits, test set, as scikit-learn has it",
        "none stated by scikit-learn",
        "E. Alpaydin and C. Kaynak, UCI Machine Learning Repository (1998)",
    ),
    "spoken_digit": Licence(
        "Free Spoken Digit Dataset", "CC BY-SA 4.0", "Zohar Jackson and the speakers of the recordings (2016)"
    ),
    "cifar10": Licence("CIFAR-10", "none stated by the source", "Alex Krizhevsky (2009), who asks to be cited"),
    "avatars": Licence(
        "Avatars, drawn by a seeded program with DiceBear", "CC BY 4.0", '"Adventurer" by Lisa Wischofsky'
    ),
    "noto": Licence(f"Noto Emoji, {_EMOJI}", "Apache-2.0", "Google"),
    "twemoji": Licence(f"Twemoji, {_EMOJI}", "CC BY 4.0", "Twitter"),
    "fluent": Licence(f"Fluent Emoji, flat, {_EMOJI}", "MIT", "Microsoft"),
    "openmoji": Licence(f"OpenMoji, {_EMOJI}", "CC BY-SA 4.0", "the OpenMoji project"),
    "shapes": Licence("shapes, drawn by genzoo", "Apache-2.0", "genzoo"),
    "faces": Licence("faces, drawn by genzoo", "Apache-2.0", "genzoo"),
    "tones": Licence("tones, played by genzoo", "Apache-2.0", "genzoo"),
    "pendulum": Licence("a pendulum, simulated by genzoo", "Apache-2.0", "genzoo"),
    "gymnasium": Licence(
        "episodes of an environment of Gymnasium, collected by genzoo", "MIT", "Farama Foundation (Gymnasium)"
    ),
}


def of(name: str, given: str, attribution: str) -> list[Licence]:
    """Return the licences of the data called `name`: those `given` by their keys, comma-separated, or in words.

    In words, the licence needs an `attribution`. With neither, the name of the data says which. It says nothing if the
    data lie at a path, whose folders may be called anything. A name that says nothing is a `UserError`.
    """
    if attribution and not given:
        raise UserError("--attribution is for a --licence in words: give both")
    if attribution:
        return [Licence(name, given, attribution)]
    own = [] if has_path(name) else [part for part in re.split("[:/]", name) if part in TABLE]
    keys = given.split(",") if given else own
    if unknown := [key for key in keys if key not in TABLE]:
        raise UserError(
            f"--licence={given}: {unknown[0]} is none of {', '.join(TABLE)}; for a licence in words, give an "
            "--attribution too"
        )
    if not keys:
        raise UserError(
            f"no licence is known of {name}: give --licence, one or several of {', '.join(TABLE)}, or words with "
            "--attribution"
        )
    return [TABLE[key] for key in dict.fromkeys(keys)]
