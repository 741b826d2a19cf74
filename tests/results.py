"""Write the stored results of the studies, and the table of recipes, into the documentation; run by `make results`.

docs/results/README.md is written anew; of README.md, what stands between two comments.
"""

import re
from pathlib import Path

from shared import REPOSITORY

from train import catalogue
from train.study import results, search
from zoo.shared import files

RESULTS = REPOSITORY / "docs" / "results"
README = REPOSITORY / "README.md"
RECIPES = "<!-- recipes -->", "<!-- /recipes -->"  # README.md has the table of recipes between them

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
    parts.append(f"    {result['command']}\n\n[{path.name}]({path.name})")
    pictures = {title: row["picture"] for title, row in result["rows"].items() if row["picture"]}
    if pictures:
        cells = (pictures, ["---"] * len(pictures), (f"![{title}]({name})" for title, name in pictures.items()))
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in cells))
    return "\n\n".join(filter(None, parts)) + "\n"


def readme(text: str) -> str:
    """Return the text of README.md with the table of the recipes for data of a user's own."""
    begin, end = RECIPES
    if not re.search(f"{begin}.*{end}", text, re.DOTALL):
        raise ValueError(f"README.md lacks the comments {begin} and {end}, between which its recipes go")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{catalogue.markdown(catalogue.OWN)}\n{end}{rest.partition(end)[2]}"


def stored(directory: Path) -> list[Path]:
    """Return the results in the directory, by name."""
    return sorted(directory.glob("*.json"))


def main() -> None:
    """Write both."""
    files.write_bytes(RESULTS / "README.md", page().encode())
    files.write_bytes(README, readme(README.read_text()).encode())


if __name__ == "__main__":
    main()
