"""Write what the recipes and models say of themselves into docs/models; run by `make results`.

Each page has its recipes, their figures and the model's options between two comments, as the docstrings of
train/recipes and the declarations of zoo have them. docs/models/README.md lists the pages. A page of a model that is
not registered has nothing between its comments.
"""

import ast
import functools
import re
from pathlib import Path

from shared import REPOSITORY

import zoo
from train import config
from zoo import registry
from zoo.shared import files

PAGES = REPOSITORY / "docs" / "models"
INDEX = "README.md"
BEGIN, END = "<!-- recipes -->", "<!-- /recipes -->"
_FIELD = r"^(?:Result|Protocol|Time|Better): "


def written(text: str, part: str) -> str:
    """Return a page's text with the part between its two comments."""
    if not re.search(f"{BEGIN}.*{END}", text, re.DOTALL):
        raise ValueError(f"a page lacks the comments {BEGIN} and {END}, between which the recipes go")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{part}{END}{rest.partition(END)[2]}"


def page(model: str, text: str) -> str:
    """Return the text of a model's page as the recipes and the model are now."""
    return written(text, f"{recipes(model)}\n\n{code(model)}\n" if model in zoo.available() else "")


def recipes(model: str) -> str:
    """Return the section about all recipes of a model."""
    parts = ["## Recipes"]
    for name in of_model(model):
        text = ast.get_docstring(ast.parse((config.RECIPES / f"{name}.py").read_text())) or ""
        parts += [f"### {name}", told(text), f"[train/recipes/{name}.py](../../train/recipes/{name}.py)"]
    return "\n\n".join(parts)


@functools.cache
def models() -> dict[str, str]:
    """Return the model of each recipe."""
    return {name: config.read_recipe(name).model.name for name in config.recipes()}


def of_model(model: str) -> list[str]:
    """Return the names of the recipes that train a model, the one for its first steps first."""
    names = [name for name, own in models().items() if own == model]
    return sorted(names, key=lambda name: (not name.endswith(("_digits", "_toy")), name))


def told(docstring: str) -> str:
    """Return a recipe's docstring as Markdown: a line for each paragraph and field, commands as they stand."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", docstring):
        if paragraph.startswith("    "):
            paragraphs.append(paragraph)
        else:
            fields = re.split(rf"\n(?={_FIELD})", paragraph, flags=re.MULTILINE)
            paragraphs += [marked_up(" ".join(field.split("\n"))) for field in fields]
    return "\n\n".join(paragraphs)


def marked_up(text: str) -> str:
    """Return a paragraph of a docstring with its field in bold, its flags as code and its files of docs/ as links."""
    text = re.sub(_FIELD, lambda field: f"**{field[0].strip()}** ", text).replace("+-", "±")
    outside = re.split(r"(`[^`]*`)", text)
    outside[::2] = [_marked_up(part) for part in outside[::2]]
    return "".join(outside)


def _marked_up(text: str) -> str:
    text = re.sub(r"(?<![\w*])([*<])(?![*\s])|(?<=\w)\*(?=\w)", r"\\\g<0>", text)
    text = re.sub(r"--[a-z](?:[\w.]*\w)?(?:=[^\s,;)]*[^\s,;).])?", r"`\g<0>`", text)
    return re.sub(r"\bdocs/([\w/-]+(?:\.\w+)?)", r"[docs/\1](../\1)", text)


def code(model: str) -> str:
    """Return the section about a model's file and its options."""
    module, _ = registry.locate(model, lambda: zoo._MODELS)
    path = f"{module.replace('.', '/')}.py"
    said = zoo.declared(model).comments
    options = [
        f"| `--config.model.{key}` | `{value!r}` | {marked_up(said[key])} |"
        for key, value in zoo.defaults(model).items()
    ]
    heading = "| option | default | what it means |\n|---|---|---|"
    return "\n".join([f"## Code\n\n[{path}](../../{path})\n\n{heading}", *options])


def index(text: str, directory: Path = PAGES) -> str:
    """Return the text of the list of all pages."""
    rows = ["| model | | source | recipes |", "|---|---|---|---|"]
    for path in pages(directory):
        own = path.read_text()
        (title,) = re.findall(r"^# (.*)", own)
        names = ", ".join(f"`{name}`" for name in of_model(path.stem))
        rows.append(f"| [`{path.stem}`]({path.name}) | {title} | {source(own)} | {names} |")
    return written(text, "\n".join(rows) + "\n")


def source(text: str) -> str:
    """Return who wrote a page's paper and when, shortened: "Mao et al. 2016"."""
    found = re.search(r"## Source\n\n(?:After )?(.*?) \((\d{4})\)", text, re.DOTALL)
    assert found, "a page names its authors and the year below '## Source'"
    names = re.split(r", | and ", " ".join(found[1].split()))
    return f"{names[0]} et al. {found[2]}" if len(names) > 2 else f"{' & '.join(names)} {found[2]}"


def pages(directory: Path = PAGES) -> list[Path]:
    """Return the pages of models, by name."""
    return sorted(path for path in directory.glob("*.md") if path.name != INDEX)


def main() -> None:
    """Write all pages."""
    for path in pages():
        files.write_bytes(path, page(path.stem, path.read_text()).encode())
    files.write_bytes(PAGES / INDEX, index((PAGES / INDEX).read_text()).encode())


if __name__ == "__main__":
    main()
