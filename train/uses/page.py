"""The page about all uses, from what is stored: README.md and a figure for each result. No TensorFlow."""

import importlib
import io
import itertools
from pathlib import Path

from train.uses import USES, stored
from zoo.shared import files

PAGE = "README.md"
INTRODUCTION = """# What generators are good for

Each table is what `python -m train.uses` measured by the command below it. The JSON file of the same name holds every
figure with its protocol, seeds and versions; this page and its figures are made from it, by `make uses`. Means ±
standard deviations (by n - 1) over the seeds.
"""


def write(directory: Path) -> None:
    """Write the page and the figures of all results in the directory."""
    for path, result in _results(directory):
        buffer = io.BytesIO()
        # without a date, so that the same result makes the same bytes
        importlib.import_module(f"train.uses.{result['use']}").figure(result).savefig(
            buffer, format="png", dpi=110, metadata={"Software": None}
        )
        files.write_bytes(path.with_suffix(".png"), buffer.getvalue())
    files.write_bytes(directory / PAGE, text(directory).encode())


def text(directory: Path) -> str:
    """Return the text of the page."""
    parts = [INTRODUCTION]
    for name, found in itertools.groupby(_results(directory), key=lambda pair: pair[1]["use"]):
        title, _, about = (importlib.import_module(f"train.uses.{name}").__doc__ or "").partition("\n\n")
        parts += [f"## {title}\n\n{about.strip()}\n", *(_section(path, result, title) for path, result in found)]
    return "\n".join(parts)


def _results(directory: Path) -> list[tuple[Path, stored.Result]]:
    found = [(path, stored.read(path)) for path in sorted(directory.glob("*.json"))]
    return sorted(found, key=lambda pair: (USES.index(pair[1]["use"]), pair[0]))


def _section(path: Path, result: stored.Result, title: str) -> str:
    use = importlib.import_module(f"train.uses.{result['use']}")
    seeds, versions = ", ".join(map(str, result["seeds"])), result["versions"]
    minutes = max(1, round(sum(cell["seconds"] for cell in result["cells"].values()) / 60))
    missing = len(set(use.keys(result["protocol"], result["seeds"])) - result["cells"].keys())
    time = (
        f"Seeds {seeds}. {minutes} minute{'s' * (minutes > 1)} of one core. genzoo {versions['genzoo']}, TensorFlow "
        f"{versions['tensorflow']}, Keras {versions['keras']}."
    )
    parts = [f"### {result['data']}", use.table(result), use.findings(result)]
    parts.append(f"![{title}]({path.with_suffix('.png').name})")
    parts += [f"![{name}]({name})" for name in sorted(file.name for file in path.parent.glob(f"{path.stem}_*.png"))]
    parts += [use.caption(result), time]
    if missing:
        parts.append(f"{missing} cells are not measured yet.")
    parts.append(f"    {result['command']}\n\n[{path.name}]({path.name})")
    return "\n\n".join(filter(None, parts)) + "\n"
