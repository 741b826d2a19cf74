"""Evaluate a model: python -m train.evaluate --source=runs/x

Without --metrics it takes those that fit the model and its data, on as many rows as this machine runs in about a
minute or two, each beside real rows and rows that do nothing. It writes one page of all, with samples and the training
pictures nearest to them: evaluation.html in a run, or --page=FILE.html. With --metrics=frechet,precision_recall it
measures these alone; with --page too it does the rest.

Prints one line of JSON per metric, with its protocol: what was measured on what, how many, at which step, by which
extractor. The source is a run, a bundle, a lone ONNX file of ours, or a folder of pictures by anybody. Images are
rounded to bytes and compared with real images of their size, as many if there are so many. If either have colour, both
are compared in colour, except that a model trained on data made grey (data.channels=1) stands beside images made grey.

Metrics that look at samples:
- frechet, kernel: distances between features (FID and KID, where an Inception network makes the features)
- precision_recall, density_coverage: quality and variety apart
- score: how sure a classifier is, and of how many classes (the Inception score, likewise)
- two_sample: can a nearest neighbour tell samples from real images? 0.5 if not
- sliced_wasserstein: distances between patches, scale by scale
- ms_ssim: how alike the samples are to one another
- nearest_neighbours: are samples copies of the training images?
- parzen: the log-likelihood of the first GAN papers
- stacked_modes: how many of the 1,000 modes of three stacked digits do samples find, and how evenly?
- sound: how loud samples are, their spectrum beside the data's, and does a classifier hear the class asked for?
- mixture: modes found, share of high quality and reverse KL of points, for generators trained on 'ring' or 'grid'

At outputs beside the right answer (pix2pix, reconstructions):
- pairs: PSNR, SSIM, L1, colourfulness, beside rows that do nothing. Pairs that a model of unpaired domains never saw as
  pairs judge it by --reference=pairs:PATH --map=a_to_b: the input is of domain a, the image of b.

At a likelihood:
- log_likelihood: of held-out data, exact or bounded by importance samples
- bits_per_sample: of sound, beside models that know how often each level is, alone or after another
- nats_per_frame: of video, for each frame apart, beside copying the last frame and independent pixels
- out_of_distribution: does the likelihood tell held-out data from those that --other names (AUROC)? Does it once the
  length of each compressed picture is taken into account?

At latents:
- representation: linear probe, neighbours and k-means by class, beside pixels and principal components

Figures are comparable only under equal protocols. Two extractors come along, and the data choose: one for the grey
digits and garments of digits, mnist and fashion_mnist, and for counting stacked digits; one for all other pictures,
which knows the objects of cifar10, sees colour, and looks at 32 x 32 pixels. --extractor takes any other ONNX file that
turns images into vectors.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict

import zoo
from train import config, data
from train.data import ALL, SPLITS
from train.data.cache import home_expanded
from train.data.sources import PICTURES
from train.data.sources.folder import PREFIX
from train.evaluate import makers, page
from train.evaluate.comparison import Comparison, map_for
from train.evaluate.figures import summary
from train.evaluate.fitting import COUNTS as COUNTS_THAT_FIT
from train.evaluate.fitting import affordable, fitting
from train.evaluate.latents import picture_of
from train.evaluate.metrics import METRICS, check_declared, check_possible, measure
from train.evaluate.reference import Reference, column_for, has_colour, ours
from train.evaluate.report import report
from train.rundir.layout import CHECKPOINTS, EVALUATION, LAST, check_kept
from zoo.metrics.extractor import Extractor
from zoo.shared import files, program
from zoo.shared.errors import UserError, unknown

SOURCE = flags.DEFINE_string("source", None, "a run (made by python -m train), bundle, ONNX file or folder of pictures")
NAMES = flags.DEFINE_list("metrics", [], "what to measure, comma-separated: see above; by default all that fits")
MAP = flags.DEFINE_string("map", None, "of a model with several maps, the one to judge; by default the first that fits")
CHECKPOINT = flags.DEFINE_enum("checkpoint", LAST, list(CHECKPOINTS), "of a run: the last, or the best it kept")
REFERENCE = flags.DEFINE_string(
    "reference", None, "data set of the real images, such as mnist or folder:PATH; by default what the run trained on"
)
OTHER = flags.DEFINE_string(
    "other",
    None,
    "with out_of_distribution: other data, such as fashion_mnist, which are made into pictures like the model's own",
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
    "samples or rows, and real ones at most; with --metrics by default 10,000, with stacked_modes 26,000, for mixture "
    "2,500, for sound 500, for nats_per_frame 1,000; without, as many of 100 to 2,000 as a minute allows",
    lower_bound=2,
)
IMPORTANCE = flags.DEFINE_integer(
    "importance_samples", 50, "for each row, where a likelihood is bounded; more make the bound tighter", lower_bound=1
)
SEED = flags.DEFINE_integer(
    "seed", 0, "of the samples, the choice of real rows and the metrics", lower_bound=0, upper_bound=2**32 - 1
)
EXTRACTOR = flags.DEFINE_string(
    "extractor", None, "ONNX file that turns images into features, instead of the one of ours that fits the data"
)
RANGE = flags.DEFINE_list(
    "extractor_range", None, "what it takes black and white for, such as 0,1 or -1,1 or imagenet; if it does not say"
)
OUTPUT = flags.DEFINE_string("extractor_output", None, "name of its output of features, if there are several")
SIZE = flags.DEFINE_integer("image_size", 0, "side that a folder's pictures are resized to; 0 = own", lower_bound=0)
PAGE = flags.DEFINE_string(
    "page", None, "where to write the page (.html); without --metrics by default evaluation.html in the run"
)
PICTURE = flags.DEFINE_string(
    "picture", None, "with representation: a .png of the first two components of latents, by class, beside pixels"
)

SAMPLES = 10_000
COUNTS = {"stacked_modes": 26_000, "mixture": 2500, "sound": 500, "nats_per_frame": 1000}  # the first two are PacGAN's


def main() -> None:
    """Check the flags, then measure."""
    from train.engine import backend

    if not SOURCE.value:
        raise UserError("--source is missing: name a run, a bundle, an ONNX file or a folder of pictures")
    for name in NAMES.value:
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
    beside_other = [name for name in NAMES.value if METRICS[name].has_other]
    if beside_other and not OTHER.value:
        raise UserError(f"--other is missing: name the data that {beside_other[0]} tells from the model's own")
    if OTHER.value and not beside_other:
        raise UserError("--other is for --metrics=out_of_distribution")
    if PICTURE.value and ("representation" not in NAMES.value or not PICTURE.value.endswith(".png")):
        raise UserError("--picture is for --metrics=representation, and its name ends in .png")
    if PAGE.value and not PAGE.value.endswith(".html"):
        raise UserError(f"--page={PAGE.value}: end it in .html")
    # what cannot be: say so before TensorFlow is imported, which makers other than runs do without
    kind = makers.kind_of(SOURCE.value)
    if kind == "folder" and not REFERENCE.value:
        raise UserError("--reference is missing: name the real images, such as mnist or folder:PATH")
    if REFERENCE.value:
        data.check(config.source(REFERENCE.value))
    extractor = extractor_at(EXTRACTOR.value) if EXTRACTOR.value else None
    if kind == "run":
        check_run(config.read(home_expanded(SOURCE.value, "--source")))
        backend.start()
    maker = makers.create(SOURCE.value, SIZE.value, CHECKPOINT.value)
    if MAP.value is not None:
        maker.choose(MAP.value)
    if kind != "run" and not REFERENCE.value and data.has_path(maker.data.name):
        raise UserError(f"--reference is missing: a bundle does not say where its {maker.data.name} lies")
    section = config.source(REFERENCE.value) if REFERENCE.value else maker.data
    names = NAMES.value or fitting(maker, section, MAP.value)
    for name in names:
        check_possible(name, maker, MAP.value)
    if MAP.value and maker.maps and MAP.value not in (map_for(METRICS[name].needs, maker, MAP.value) for name in names):
        raise UserError(f"--map={MAP.value}: {', '.join(names)} does not look at that map")
    if OTHER.value:
        other_section(maker.data, maker.maps["log_prob"].conditions[0].shape)
    if kind != "run":
        backend.start()
    if PAGE.value or not NAMES.value:
        tell(maker, names, extractor)
        return
    counts = {name: COUNT.value or COUNTS.get(name, SAMPLES) for name in names}
    comparisons = {count: compare(maker, names, extractor, count) for count in set(counts.values())}
    for name in names:
        print(json.dumps(measure(comparisons[counts[name]], name), allow_nan=False), flush=True)
    if PICTURE.value:
        latents = picture_of(comparisons[counts["representation"]])
        files.write_bytes(home_expanded(PICTURE.value, "--picture"), latents)


def tell(maker: makers.Maker, names: list[str], extractor: Extractor | None) -> None:
    """Measure beside real rows and rows that do nothing, and write the page."""
    begin = time.monotonic()
    count = COUNT.value
    if count is None and "mixture" in names:
        count = COUNTS["mixture"]  # points cost next to nothing
    if count is None:
        few = compare(maker, names, extractor, COUNTS_THAT_FIT[-1]).reference
        count = affordable(maker, names, MAP.value, few.rows if maker.maps else {}, IMPORTANCE.value)
        print(
            f"measuring at most {count:,} rows, what this machine runs in a minute or two; --count=N for others",
            file=sys.stderr,
        )
    made = report(compare(maker, names, extractor, count), names, may_leave_out=not NAMES.value)
    run = home_expanded(SOURCE.value, "--source") if maker.protocol["kind"] == "run" else None
    path = home_expanded(PAGE.value, "--page") if PAGE.value else run and run / EVALUATION
    print(summary(made), file=sys.stderr)
    if path:
        given = (SOURCE, NAMES, MAP, CHECKPOINT, REFERENCE, SPLIT, SEED, IMPORTANCE, EXTRACTOR, RANGE, OUTPUT, SIZE)
        asked = " ".join(f"--{flag.name}={_written(flag.value)}" for flag in given if flag.present)
        command = f"python -m train.evaluate {asked} --count={count}"
        files.write_bytes(path, page.render(made, SOURCE.value, run, command).encode())
    told = f"look at {path}" if path else "no page was written: name one with --page=FILE.html"
    print(f"{told}; {time.monotonic() - begin:.0f} s", file=sys.stderr)


def _written(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def extractor_at(path: str | Path) -> Extractor:
    """Return the extractor in a file, with the range and the output that the flags name."""
    return Extractor(home_expanded(path, "--extractor"), RANGE.value, OUTPUT.value)


def check_run(settings: ConfigDict) -> None:
    """Raise a `UserError` for what the flags ask of a run and its configuration tells that it has not."""
    check_kept(settings, CHECKPOINT.value)
    section = config.source(REFERENCE.value) if REFERENCE.value else settings.data
    for name in NAMES.value:
        check_declared(name, settings.model.name, zoo.declared(settings.model.name).targets, section, "--metrics=")
    if OTHER.value:
        other_section(settings.data)


def compare(maker: makers.Maker, names: list[str], extractor: Extractor | None, count: int) -> Comparison:
    """Return what the maker makes beside the reference, as the flags say; no extractor means ours that fits."""
    section = maker.data
    if maker.pictures is not None:
        pictures = maker.pictures(count, SEED.value)
        count, shape, in_colour = len(pictures), pictures.shape[1:], has_colour(pictures)
        section = config.source(REFERENCE.value)
        section.update({key: value for key, value in _of_shape(shape).items() if key in section})
    else:
        assert section is not None, "every other maker was trained on data"
        output = maker.output(maker.choose(MAP.value))
        in_colour = output.kind == "image" and output.shape[-1] == 3
        if REFERENCE.value:
            own = {**section.to_dict(), **(_of_shape(output.shape) if output.kind == "image" else {})}
            section = config.source(REFERENCE.value)
            section.update({key: value for key, value in own.items() if key in section and key != "name"})
    split = SPLIT.value or split_of(REFERENCE.value, maker.data.name if maker.data else None)
    extractor = extractor or extractor_at(ours(section, names, in_colour))
    column = maker.target(MAP.value) if maker.maps else "image"
    reference = Reference(section, split, count, SEED.value, extractor, column_for(section, column))
    other = other_data(maker, count, extractor) if OTHER.value else None
    return Comparison(maker, reference, count, SEED.value, maker.protocol, MAP.value, IMPORTANCE.value, other)


def other_data(maker: makers.Maker, count: int, extractor: Extractor) -> Reference:
    """Return the rows of --other, in the shape that the model's likelihood is of."""
    shape = maker.maps["log_prob"].conditions[0].shape
    section = other_section(maker.data, shape)
    other = Reference(section, split_of(OTHER.value, maker.data.name), count, SEED.value, extractor)
    if other.images.shape[1:] != shape:
        has, reads = (" x ".join(map(str, sizes)) for sizes in (other.images.shape[1:], shape))
        raise UserError(f"--other={OTHER.value} has pictures of {has}, and the model reads {reads}: name other data")
    return other


def other_section(own: ConfigDict, shape: tuple[int, ...] | None = None) -> ConfigDict:
    """Return the data section of --other: options as the model's `own` data have them, pictures of the `shape`.

    Data that are the model's own or the reference, or cannot be made into such pictures, are a `UserError`.
    """
    name = OTHER.value
    for known, whose in ((own.name, "the model's own data"), (REFERENCE.value, "the reference")):
        if known and _identity(name) == _identity(known):
            raise UserError(f"--other={name}: these are {whose}; name data to tell them from")
    section = config.source(name)
    seen = {key: own[key] for key in PICTURES if key in own}
    if shape:
        seen |= {**_of_shape(shape), "channels": shape[-1]}
    section.update({key: value for key, value in seen.items() if key in section})
    try:
        data.check(section)
        if data.kinds(section).get("image") != "image":
            raise UserError("it holds no pictures")
    except UserError as error:
        raise UserError(f"--other={name} cannot be made into pictures like those of {own.name}: {error}") from None
    return section


def _of_shape(shape: tuple[int, ...]) -> dict[str, int]:
    """Return the options of a data source whose pictures have the size of this shape; they keep their own channels."""
    height, width, _ = shape
    return {"image_size": height if height == width else 0}


def split_of(reference: str | None, trained_on: str | None) -> str:
    """Return the split that stands for a `--reference` or `--other`: of a folder not `trained_on`, all there is."""
    if reference is None or not reference.startswith(PREFIX):
        return "test"
    # a bundle knows only what the folder is called
    is_same = data.without_path(reference) == trained_on or _identity(reference) == _identity(trained_on)
    return "test" if is_same else ALL


def _identity(name: str | None) -> str | Path | None:
    """Return what names of the same data have in common: the place of a folder, else the name."""
    if name is None or not name.startswith(PREFIX):
        return name
    # what was trained on need not be here any more
    return Path(os.path.expanduser(name.removeprefix(PREFIX))).resolve()


def run() -> None:
    """Run the program: `python -m train.evaluate` and `genzoo-evaluate`."""
    program.run(main)


if __name__ == "__main__":
    run()
