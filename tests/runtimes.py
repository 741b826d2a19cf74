"""Run every map of every model in every runtime that is installed; `make runtimes` writes them into docs/embedding.md.

Each model has its smallest network and random weights, made larger until its outputs spread. Its maps are converted as
an export does it, and run by the examples of serving/examples beside onnxruntime, one row alone and five at once, and
at other sides where these are free. The difference is that of onnxruntime, over the largest output where that is above
1; rows of a sampling loop must be the same. Notes below the table tell why a map does not run.

    python tests/runtimes.py --only=acgan,nade --runtimes=tract
"""

import argparse
import re
import runpy
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from elsewhere import EXAMPLES, RUNTIMES, Failed, Runtime, installed, reason
from reference import run_in_reference
from shared import REPOSITORY, inputs_of, tiny_model
from tqdm import tqdm

import zoo
from export import onnx, parity, saved_model
from zoo.model import GenerativeModel
from zoo.shared import files
from zoo.spec import MapSpec

PAGE = REPOSITORY / "docs" / "embedding.md"
BEGIN, END = "<!-- runtimes -->", "<!-- /runtimes -->"
BATCHES = (1, 5)
TOLERANCE = 1e-4
_SPREAD = 0.1  # of an output, so that there is something to compare
_REFERENCE = "onnx.reference"

# of a model in a runtime: its maps, each with the largest difference or a reason
Results = Mapping[str, float | str]


def measure(name: str, runtimes: Mapping[str, Runtime]) -> dict[str, Results]:
    """Return what each runtime makes of each map of a model."""
    keras.utils.set_random_seed(0)
    model = tiny_model(name)
    spread(model)
    made: dict[str, dict[str, float | str]] = {title: {} for title in (*runtimes, _REFERENCE)}
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        saved_model.write(model.maps, folder / "saved_model")
        for title, one in model.maps.items():
            graph = onnx.convert(one)
            (folder / f"{title}.onnx").write_bytes(graph.SerializeToString())
            expected = onnx.load(graph.SerializeToString())
            cases = [(inputs, expected(inputs)) for inputs in batches(model, title)]
            for where, runtime in {**runtimes, _REFERENCE: run_in_reference}.items():
                made[where][title] = attempt(runtime, folder, title, one.spec, cases)
    keras.backend.clear_session()
    return made


def spread(model: GenerativeModel) -> None:
    """Double the kernels of a model until the outputs of all its maps spread, four times at most."""
    for _ in range(4):
        outputs = [one(inputs_of(model, title, 3)) for title, one in model.maps.items()]
        if all(np.ptp(values) > _SPREAD for one in outputs for values in one.values()):
            break
        for weight in model.trainable_variables:
            if len(weight.shape) > 1:
                weight.assign(weight * 2)


def batches(model: GenerativeModel, title: str) -> Iterator[dict[str, np.ndarray]]:
    """Yield the inputs of a map."""
    spec = model.maps[title].spec
    for count in BATCHES:
        yield inputs_of(model, title, count)
    if any(tensor.multiple for tensor in spec.conditions):
        inputs = inputs_of(model, title, 2)
        yield inputs | parity.other_sides(spec, inputs)


def attempt(runtime: Runtime, folder: Path, title: str, spec: MapSpec, cases: list) -> float | str:
    """Return the largest difference of a runtime over the cases, or why it has none."""
    try:
        file = folder / f"{title}{getattr(runtime, 'ending', '.onnx')}"
        if file.suffix == ".tflite" and not file.exists():
            convert_to_litert(folder / "saved_model", title, file)
        return max(difference(spec, expected, runtime(file, inputs)) for inputs, expected in cases)
    except Failed as failure:
        return str(failure)
    except Exception as error:  # of the reference or the converter, which know no common one
        return reason(f"{type(error).__name__}: {error}")


def convert_to_litert(directory: Path, title: str, file: Path) -> None:
    """Run the example that converts, in this process: TensorFlow is here already."""
    program = EXAMPLES / "convert_to_litert.py"
    with mock.patch.object(sys, "argv", [program.name, str(directory), title, str(file)]):
        runpy.run_path(str(program))


def difference(spec: MapSpec, expected: Mapping[str, np.ndarray], made: Mapping[str, np.ndarray]) -> float:
    """Return the largest difference over the outputs of a map; `Failed` if it is too large, or one is of another form.

    It is that of an output's values, over the largest of them where that is above 1.
    """
    largest = 0.0
    for tensor in spec.outputs:
        wanted, found = expected[tensor.name], made.get(tensor.name)
        if found is None:
            raise Failed(f"has no output {tensor.name}")
        if found.shape != wanted.shape or found.dtype != wanted.dtype:
            raise Failed(f"{tensor.name} is {found.dtype} {found.shape}, not {wanted.dtype} {wanted.shape}")
        apart = np.abs(found.astype(np.float64) - wanted).max() / max(1.0, np.abs(wanted).max())
        if not apart <= TOLERANCE:  # NaN is not
            raise Failed("other values, without a word")
        largest = max(largest, float(apart))
    return largest


def table(results: Mapping[str, Mapping[str, Results]]) -> str:
    """Return the table, a line for each model, and below it why maps do not run."""
    columns = list(next(iter(results.values())))
    notes: dict[str, int] = {}
    lines = [f"| model | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for model, by_runtime in results.items():
        lines.append(f"| {model} | {' | '.join(cell(by_runtime[column], notes) for column in columns)} |")
    told = [f"{number}. {why}" for why, number in notes.items()]
    return "\n".join([*lines, *(["", *told] if told else [])])


def cell(by_map: Results, notes: dict[str, int]) -> str:
    """Return what the table says of a model in a runtime; a reason that is new becomes the next of the `notes`."""
    figures = [value for value in by_map.values() if not isinstance(value, str)]
    refused = {title: notes.setdefault(value, len(notes) + 1) for title, value in by_map.items() if type(value) is str}
    parts = [f"{max(figures):.0e}".replace("e-0", "e-") if max(figures) else "0"] if figures else []
    for number in dict.fromkeys(refused.values()):
        titles = [title for title, own in refused.items() if own == number]
        what = "no" if len(titles) == len(by_map) else f"not {', '.join(titles)}"
        parts.append(f"{what} ({number})")
    return "; ".join(parts)


def written(text: str, part: str) -> str:
    """Return the text of docs/embedding.md with the part between its two comments."""
    if not re.search(f"{BEGIN}.*{END}", text, re.DOTALL):
        raise ValueError(f"docs/embedding.md lacks the comments {BEGIN} and {END}, between which the table goes")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{part}\n{END}{rest.partition(END)[2]}"


def versions(runtimes: Mapping[str, Runtime]) -> str:
    """Return the sentence that names what was measured."""
    told = [f"{title} {runtime.version()}" for title, runtime in runtimes.items()]
    told.append(f"{_REFERENCE} {metadata.version('onnx')}")
    return f"Against onnxruntime {metadata.version('onnxruntime')}: {', '.join(told)}."


def main() -> None:
    """Measure, then print the table, or write it where it is of all models and runtimes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="these models, comma-separated: prints the table, writes nothing")
    parser.add_argument("--runtimes", default="", help="these runtimes, comma-separated: prints, writes nothing")
    arguments = parser.parse_args()
    here = installed()
    chosen = {title: here[title] for title in arguments.runtimes.split(",")} if arguments.runtimes else here
    names = arguments.only.split(",") if arguments.only else zoo.available()
    tf.get_logger().setLevel("ERROR")
    results = {name: measure(name, chosen) for name in tqdm(names, desc="models", disable=None)}
    part = f"{versions(chosen)}\n\n{table(results)}"
    if arguments.only or chosen.keys() != RUNTIMES.keys():
        absent = RUNTIMES.keys() - here.keys()
        print(part, *([f"\nnot installed: {', '.join(sorted(absent))}"] if absent else []), sep="\n")
    else:
        files.write_bytes(PAGE, written(PAGE.read_text(), part).encode())


if __name__ == "__main__":
    main()
