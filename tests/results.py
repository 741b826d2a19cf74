"""Write the stored results of the studies and the tables of recipes and presets into the documentation.

Run by `make results`. docs/results/README.md is written anew; of README.md and docs/presets.md, what stands between two
comments.
"""

import itertools
import json
import re
from pathlib import Path
from typing import Any

from shared import REPOSITORY

from export import preset_card
from train import catalogue
from train.study import results, search
from zoo import presets
from zoo.shared import files

RESULTS = REPOSITORY / "docs" / "results"
README = REPOSITORY / "README.md"
RECIPES = "<!-- recipes -->", "<!-- /recipes -->"  # README.md has the table of recipes between them

PRESETS, PRESETS_PAGE = REPOSITORY / "presets", REPOSITORY / "docs" / "presets.md"
TABLE = "<!-- presets -->", "<!-- /presets -->"  # docs/presets.md has the table of presets between them

INTRODUCTION = """# Results

Each table is what one study measured: a file of [train/studies](../../train/studies), run by the command below it. The
JSON file of the same name holds the figures of every seed with their protocol, all settings and versions. The pictures
show what the last step made of the same noises with the first seed; nothing was selected.
"""


def page(directory: Path = RESULTS) -> str:
    """Return the text of the page about all results that are stored in the directory."""
    return "\n".join([INTRODUCTION, *(section(path) for path in stored(directory))])


def section(path: Path) -> str:
    """Return what the page says of one study."""
    result = results.read(path)
    parts = [f"## {result['title']}", result["about"], results.table(result), results.caption(result)]
    parts.append(search.table(result))
    if "curves" in result:
        parts.append(f"![the distance as training goes on]({result['curves']})")
    parts.append(f"    {result['command']}\n\n[{path.name}]({path.name})")
    pictures = {title: row["picture"] for title, row in result["rows"].items() if row["picture"]}
    if pictures:
        cells = (pictures, ["---"] * len(pictures), (f"![{title}]({name})" for title, name in pictures.items()))
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in cells))
    return "\n\n".join(filter(None, parts)) + "\n"


def readme(text: str) -> str:
    """Return the text of README.md with the table of the recipes for data of a user's own."""
    return written("README.md", text, RECIPES, catalogue.markdown(catalogue.OWN))


def presets_page(text: str) -> str:
    """Return the text of docs/presets.md with the table of all presets."""
    rows = ["| preset | what it is | to fetch | a figure | its protocol |", "|---|---|---|---|---|"]
    for name, entry in presets.index().items():
        told = json.loads((PRESETS / name / presets.ABOUT).read_bytes())
        card = f"[`{name}`](../presets/{name}/README.md)"
        rows.append(
            f"| {card} | {told['about']} | {entry.bytes / 1e6:.1f} MB | {' | '.join(figure(told['figures']))} |"
        )
    return written(PRESETS_PAGE.name, text, TABLE, "\n".join(["", *rows, ""]))


def figure(lines: list[dict[str, Any]]) -> tuple[str, str]:
    """Return the first figure of the first line of `train.evaluate` beside held-out data, in words, and its protocol.

    Without such a line it is that of the first one. Beside it stands what does nothing, or else all that is a baseline.
    The extractor and the seed are left to the card.
    """
    if not lines:
        return "none was measured", ""
    line = next((one for one in lines if one["protocol"].get("reference", {}).get("split") != "train"), lines[0])
    metric, first = line["metric"].replace("_", " "), next(preset_card.numbers(line))
    named = first if metric in first else f"{metric}: {first}"
    others = preset_card.baselines(line)
    beside = {"do nothing"} & others.keys() or others
    if beside:
        named += f" ({'; '.join(f'{title}: {others[title][0]}' for title in beside)})"
    told = itertools.takewhile(lambda said: not said.startswith(("features of", "seed")), preset_card.protocol(line))
    return named, "; ".join(told)


def written(page: str, text: str, comments: tuple[str, str], part: str) -> str:
    """Return the text of a page with the part between its two comments."""
    begin, end = comments
    if not re.search(f"{begin}.*{end}", text, re.DOTALL):
        raise ValueError(f"{page} lacks the comments {begin} and {end}, between which a table goes")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{part}\n{end}{rest.partition(end)[2]}"


def stored(directory: Path) -> list[Path]:
    """Return the results in the directory, by name."""
    return sorted(directory.glob("*.json"))


def main() -> None:
    """Write all three."""
    files.write_bytes(RESULTS / "README.md", page().encode())
    files.write_bytes(README, readme(README.read_text()).encode())
    files.write_bytes(PRESETS_PAGE, presets_page(PRESETS_PAGE.read_text()).encode())


if __name__ == "__main__":
    main()
