"""Evaluate a trained run: python -m train.evaluate --source=runs/x [--metrics=mixture]

Prints one line of JSON per metric, with its protocol: what was measured on what, how many, at which step.

- log_likelihood: of held-out data, for models that have a likelihood
- mixture: modes found, share of high quality and reverse KL of samples, for runs on 'ring' or 'grid'
"""

import json
import sys

from absl import flags

from zoo import program
from zoo.errors import UserError, unknown

SOURCE = flags.DEFINE_string("source", None, "working directory of the run (made by python -m train)")
NAMES = flags.DEFINE_list("metrics", ["log_likelihood"], "what to measure, comma-separated: log_likelihood, mixture")

MIXTURE_SAMPLES = 2500  # PacGAN's number


def main() -> None:
    """Check the flags, then measure."""
    if not SOURCE.value:
        raise UserError("--source is missing: name the working directory of a run")
    if not NAMES.value:
        raise UserError(f"--metrics is empty: name some of {', '.join(METRICS)}")
    for name in NAMES.value:
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
    from train import backend, config

    config.read(SOURCE.value)  # no run there: say so before TensorFlow is imported
    backend.start()
    for name in NAMES.value:
        print(json.dumps(METRICS[name](SOURCE.value), allow_nan=False), flush=True)


def measure_log_likelihood(workdir: str) -> dict[str, object]:
    """Return the held-out log-likelihood of the run at `workdir` and that of the independent-Bernoulli baseline."""
    import tensorflow as tf

    from train import data, restore
    from train.data.batches import held_out
    from zoo.metrics.likelihood import independent_bernoulli, log_likelihood

    config, model, step = restore.load(workdir)
    if not hasattr(model, "log_prob"):
        raise UserError(f"{config.model.name} has no likelihood, so log_likelihood cannot be measured")
    test, train = data.load(config.data, "test"), data.load(config.data, "train")
    print(f"evaluating on {test.description}", file=sys.stderr)
    images = held_out(test, config.data.binarize)
    baseline = independent_bernoulli(held_out(train, config.data.binarize))
    protocol = {
        "data": config.data.to_dict(),
        "split": "test",
        "binarize": "held-out split drawn once, seed 0" if config.data.binarize == "dynamic" else "none",
        "step": step,
        "ema": config.ema,
    }
    measured = log_likelihood(tf.function(model.log_prob), images)
    return {
        "metric": "log_likelihood",
        **measured,
        "baseline_nats": log_likelihood(baseline, images)["nats"],
        "baseline": "independent Bernoulli pixels, fitted to the train split drawn once",
        "protocol": protocol,
    }


def measure_mixture(workdir: str) -> dict[str, object]:
    """Return how many modes of its data's mixture 2,500 samples of the run at `workdir` find, and how well."""
    import numpy as np

    from train import restore
    from zoo import noise
    from zoo.metrics.mixtures import HIGH_QUALITY_RADIUS, MIXTURES, measure

    config, model, step = restore.load(workdir)
    if config.data.name not in MIXTURES:
        raise UserError(f"mixture is for runs on {' or '.join(MIXTURES)}; this one is on {config.data.name}")
    spec, seed = model.generator_spec, 0
    inputs = noise.draw(spec, MIXTURE_SAMPLES, seed)
    points = np.asarray(model.generator(inputs, training=False)[spec.output.name])
    return {
        "metric": "mixture",
        **measure(points, MIXTURES[config.data.name]),
        "protocol": {
            "data": config.data.to_dict(),
            "seed": seed,
            "high_quality": f"within {HIGH_QUALITY_RADIUS} sigma of the nearest centre",
            "reverse_kl": "nats, of the high-quality samples' modes from uniform",
            "step": step,
            "ema": config.ema,
        },
    }


METRICS = {"log_likelihood": measure_log_likelihood, "mixture": measure_mixture}


def run() -> None:
    """Run the program: `python -m train.evaluate` and `genzoo-evaluate`."""
    program.run(main)


if __name__ == "__main__":
    run()
