"""Evaluate samples or a run: python -m train.evaluate --source=runs/x --metrics=frechet,precision_recall

Prints one line of JSON per metric, with its protocol: what was measured on what, how many, at which step, by which
extractor. The source is a run, a bundle, a lone ONNX file of ours, or a folder of pictures by anybody. Samples are
rounded to bytes and compared with real images of their size, as many if there are so many.

- frechet, kernel: distances between features (FID and KID, where an Inception network makes the features)
- precision_recall, density_coverage: quality and variety apart
- score: how sure a classifier is, and of how many classes (the Inception score, likewise)
- two_sample: can a nearest neighbour tell samples from real images? 0.5 if not
- sliced_wasserstein: distances between patches, scale by scale
- ms_ssim: how alike the samples are to one another
- nearest_neighbours: are samples copies of the training images?
- parzen: the log-likelihood of the first GAN papers
- log_likelihood: of held-out data, for runs of models that have a likelihood
- stacked_modes: how many of the 1,000 modes of three stacked digits do samples find, and how evenly?
- mixture: modes found, share of high quality and reverse KL of points, for generators trained on 'ring' or 'grid'

Figures are comparable only under equal protocols. The extractor that comes along knows grey digits and garments only;
--extractor takes any other ONNX file that turns images into vectors.
"""

import json
import sys
from typing import TYPE_CHECKING

from absl import flags

from train.data import ALL, SPLITS
from train.data.sources import folder
from train.rundir.layout import CHECKPOINTS, LAST, check_kept, told
from zoo.metrics.extractor import DIGITS_AND_FASHION, Extractor
from zoo.shared import program
from zoo.shared.errors import UserError, unknown

if TYPE_CHECKING:
    from train.evaluate.comparison import Comparison

SOURCE = flags.DEFINE_string("source", None, "a run (made by python -m train), bundle, ONNX file or folder of pictures")
NAMES = flags.DEFINE_list("metrics", ["log_likelihood"], "what to measure, comma-separated: see above")
CHECKPOINT = flags.DEFINE_enum("checkpoint", LAST, list(CHECKPOINTS), "of a run: the last, or the best it kept")
REFERENCE = flags.DEFINE_string(
    "reference", None, "data set of the real images, such as mnist or folder:PATH; by default what the run trained on"
)
SPLIT = flags.DEFINE_enum(
    "split",
    None,
    [*SPLITS, ALL],
    "of the reference, beside which the samples stand; by default test, and all of a folder given as the --reference "
    "that the generator was not trained on",
)
COUNT = flags.DEFINE_integer(
    "count",
    None,
    "samples, and real images at most; by default 10,000, with stacked_modes 26,000, for mixture 2,500",
    lower_bound=2,
)
SEED = flags.DEFINE_integer(
    "seed", 0, "of the samples, the choice of real images and the metrics", lower_bound=0, upper_bound=2**32 - 1
)
EXTRACTOR = flags.DEFINE_string("extractor", None, "ONNX file that turns images into features, instead of ours")
RANGE = flags.DEFINE_list(
    "extractor_range", None, "what it takes black and white for, such as 0,1 or -1,1 or imagenet; if it does not say"
)
OUTPUT = flags.DEFINE_string("extractor_output", None, "name of its output of features, if there are several")
SIZE = flags.DEFINE_integer("image_size", 0, "side that a folder's pictures are resized to; 0 = own", lower_bound=0)

SAMPLES = 10_000
STACKED_SAMPLES, MIXTURE_SAMPLES = 26_000, 2500  # PacGAN's numbers


def main() -> None:
    """Check the flags, then measure."""
    from train import config
    from train.engine import backend
    from train.evaluate import comparison, samplers

    if not SOURCE.value:
        raise UserError("--source is missing: name a run, a bundle, an ONNX file or a folder of pictures")
    known = [*comparison.METRICS, *METRICS]
    if not NAMES.value:
        raise UserError(f"--metrics is empty: name some of {', '.join(known)}")
    for name in NAMES.value:
        if name not in known:
            raise unknown("metric", name, known)
    # what cannot be: say so before TensorFlow is imported
    kind = samplers.kind_of(SOURCE.value)
    if kind == "run":
        check_kept(config.read(SOURCE.value), CHECKPOINT.value)
    elif "log_likelihood" in NAMES.value:
        raise UserError(f"log_likelihood needs a run as its --source; {SOURCE.value} is none")
    if kind == "folder" and "mixture" in NAMES.value:
        raise UserError(
            f"mixture needs a run, bundle or ONNX file of points as its --source; {SOURCE.value} is a folder"
        )
    if kind == "folder" and not REFERENCE.value:
        raise UserError("--reference is missing: name the real images, such as mnist or folder:PATH")
    extractor = Extractor(EXTRACTOR.value or DIGITS_AND_FASHION, RANGE.value, OUTPUT.value)
    backend.start()
    compared = compare(extractor) if set(NAMES.value) & comparison.METRICS.keys() else None
    for name in NAMES.value:
        line = compared.measure(name) if compared and name in comparison.METRICS else METRICS[name]()
        print(json.dumps(line, allow_nan=False), flush=True)


def compare(extractor: Extractor) -> "Comparison":
    """Return samples of the source beside the reference, both as the flags say."""
    from ml_collections import ConfigDict

    from train.evaluate.comparison import Comparison, Reference
    from train.evaluate.samplers import create

    sampler = create(SOURCE.value, SIZE.value, CHECKPOINT.value)
    count = STACKED_SAMPLES if "stacked_modes" in NAMES.value else SAMPLES
    samples = sampler.draw(COUNT.value or count, SEED.value)
    if samples.ndim != 4:
        raise UserError(f"{SOURCE.value} makes samples of shape {samples.shape[1:]}, not images: measure mixture")
    section = sampler.data or ConfigDict({"binarize": "none", "unreadable": "skip"})
    own = {"name": REFERENCE.value or section.name, "image_size": samples.shape[1], "channels": samples.shape[-1]}
    split = SPLIT.value or split_of(REFERENCE.value, section.get("name"))
    reference = Reference(ConfigDict({**section, **own}), split, len(samples), SEED.value, extractor)
    return Comparison(samples, reference, SEED.value, sampler.protocol)


def split_of(reference: str | None, trained_on: str | None) -> str:
    """Return the split that stands for a `--reference`: of a folder that was not `trained_on`, all there is."""
    named = [name for name in (reference, trained_on) if name and name.startswith(folder.PREFIX)]
    is_new = len({folder.root_of(name).resolve() for name in named}) == len(named)
    return ALL if reference in named and is_new else "test"


def measure_log_likelihood(workdir: str, checkpoint: str = LAST) -> dict[str, object]:
    """Return the held-out log-likelihood of the run at `workdir` and that of the independent-Bernoulli baseline."""
    import tensorflow as tf

    from train import data
    from train.data.batches import held_out
    from train.rundir import restore
    from zoo.metrics.likelihood import independent_bernoulli, log_likelihood

    config, model, step = restore.load(workdir, checkpoint)
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
        "checkpoint": told(config.evaluate, checkpoint),
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


def measure_mixture(
    source: str, checkpoint: str = LAST, count: int = MIXTURE_SAMPLES, seed: int = 0
) -> dict[str, object]:
    """Return how many modes of its data's mixture `count` samples of the generator find, and how well.

    `source` is a run, a bundle or an ONNX file.
    """
    from train.evaluate import samplers
    from zoo.metrics.mixtures import HIGH_QUALITY_RADIUS, MIXTURES, measure

    sampler = samplers.create(source, checkpoint=checkpoint)
    if sampler.data.name not in MIXTURES:
        raise UserError(f"mixture is for runs on {' or '.join(MIXTURES)}; this one is on {sampler.data.name}")
    return {
        "metric": "mixture",
        **measure(sampler.draw(count, seed), MIXTURES[sampler.data.name]),
        "protocol": {
            "source": sampler.protocol,
            "mixture": sampler.data.name,
            "samples": count,
            "seed": seed,
            "high_quality": f"within {HIGH_QUALITY_RADIUS} sigma of the nearest centre",
            "reverse_kl": "nats, of the high-quality samples' modes from uniform",
        },
    }


METRICS = {
    "log_likelihood": lambda: measure_log_likelihood(SOURCE.value, CHECKPOINT.value),
    "mixture": lambda: measure_mixture(SOURCE.value, CHECKPOINT.value, COUNT.value or MIXTURE_SAMPLES, SEED.value),
}


def run() -> None:
    """Run the program: `python -m train.evaluate` and `genzoo-evaluate`."""
    program.run(main)


if __name__ == "__main__":
    run()
