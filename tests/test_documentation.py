"""The documentation holds together: links, pages of models, navigation, and command lines that name what exists.

`make docs` builds the site and checks the links once more; it is no part of these tests, since its programs are not
among the pinned dependencies of a checkout.
"""

import ast
import functools
import importlib.util
import itertools
import re
import shlex
import tomllib
from pathlib import Path

import model_pages
import pytest
import results
import site_hooks
import strip
from shared import REPOSITORY
from site_hooks import beside, leads_out, links, uri, with_links_of_the_site

import zoo
from train import catalogue, config

PAGES = sorted(
    str(path.relative_to(REPOSITORY))
    for path in [
        *(REPOSITORY / "docs").rglob("*.md"),
        *REPOSITORY.glob("*.md"),
        REPOSITORY / "serving/examples/README.md",
    ]
)
SCRIPTS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]
SECTIONS = ("## Idea", "## Equations", "## Samples", "## Recipes", "## Code", "## Source")


def read(page):
    return (REPOSITORY / page).read_text()


@functools.cache
def anchors(page):
    """Return the anchors of a page's headings, as both GitHub and the site make them."""
    text = re.sub(r"^```.*?^```", "", read(page), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*\\]", r"\1", title) for title in titles)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_anchor_leads_somewhere(page):
    for target, anchor in links(read(page)):
        if leads_out(target):
            continue
        place = beside(page, target)
        assert (REPOSITORY / place).exists(), target
        assert not anchor or anchor in anchors(place), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_lists_and_tables_begin_after_an_empty_line(page):
    """The site's Markdown sees none otherwise."""
    text = re.sub(r"^```.*?^```", "", read(page), flags=re.DOTALL | re.MULTILINE)
    for before, line in itertools.pairwise(text.splitlines()):
        if re.match(r"- |\d+\. |\|", line):
            assert re.match(r"$|- |\d+\. |\||  |<!--", before), line


def test_links_are_found_outside_of_code_only():
    text = "![a](b.png) [`c`](d.md#e) `[f](g)`\n```\n[h](i)\n```\n[j](#k) [l](https://m.n/o)"
    assert list(links(text)) == [("b.png", ""), ("d.md", "e"), ("", "k"), ("https://m.n/o", "")]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("README.md", "index.md"),
        ("BUILD.md", "build.md"),
        ("docs/models/gan.md", "models/gan.md"),
        ("presets/x/README.md", "presets/x/README.md"),
        ("presets/x/samples.png", "presets/x/samples.png"),
        ("docs/vae", "vae/README.md"),
        ("serving/examples/README.md", "serving/examples/README.md"),
        ("zoo/__init__.py", "source/zoo/__init__.py.md"),
        ("train/recipes", "source/train/recipes.md"),
    ],
)
def test_places_of_the_repository_have_places_on_the_site(path, place):
    assert uri(path) == place


def test_links_are_moved_to_their_places_on_the_site():
    text = "[a](../../zoo/spec.py) ![b](../gallery/x.png) [c](../../README.md#the-models) [d](#e) `[f](../g)` [h](https://i.j)"
    moved = "[a](../source/zoo/spec.py.md) ![b](../gallery/x.png) [c](../index.md#the-models) [d](#e) `[f](../g)` [h](https://i.j)"
    assert with_links_of_the_site(text, "docs/models/gan.md") == moved
    assert with_links_of_the_site("[a](docs/page.png)", "README.md") == "[a](page.png)"


def test_the_navigation_names_every_page_once():
    named = re.findall(r"[\w/]+\.md$", read("mkdocs.yml").split("\nnav:")[1], re.MULTILINE)
    assert sorted(named) == sorted(uri(page) for page in PAGES)
    assert set(site_hooks.FROM_ELSEWHERE) <= set(PAGES)


@pytest.mark.parametrize("model", zoo.available())
def test_every_model_has_a_page_with_all_its_sections(model):
    text = read(f"docs/models/{model}.md")
    for before, after in itertools.pairwise(SECTIONS):
        assert -1 < text.find(f"\n{before}\n") < text.find(f"\n{after}\n"), f"{before}, {after}"
    assert "$$" in text
    assert any(target.endswith(".png") for target, _ in links(text))


def test_the_readme_leads_to_every_model_and_shows_every_family():
    targets = {target for target, _ in links(read("README.md"))}
    assert {f"docs/models/{model}.md" for model in zoo.available()} <= targets
    assert "docs/strip.png" in targets
    assert all((REPOSITORY / name).is_file() for name in strip.PANELS)
    assert strip.cut_out(next(iter(strip.PANELS))).size == (strip.SIDE, strip.SIDE)


def test_the_pages_of_models_tell_what_recipes_say_now():
    """If this fails: make results."""
    for path in model_pages.pages():
        assert path.read_text() == model_pages.page(path.stem, path.read_text()), path
    index = (model_pages.PAGES / model_pages.INDEX).read_text()
    assert index == model_pages.index(index)
    assert all(f"`{recipe}`" in index for recipe in config.recipes())


def test_the_table_of_presets_is_what_their_cards_say_now():
    """If this fails: make results."""
    text = results.PRESETS_PAGE.read_text()
    assert text == results.presets_page(text)
    assert all(f"(../presets/{path.name}/README.md)" in text for path in results.PRESETS.iterdir())
    told = {"metric": "frechet", "frechet_distance": 0.5, "protocol": {"samples": 10, "seed": 3}}
    told["protocol"]["reference"] = {"name": "mnist", "split": "train"}
    held_out = {"metric": "pairs", "l1": 0.25, "l1_standard_error": 0.5, "count": 7, "protocol": {}}
    assert results.figure([told]) == ("frechet distance 0.5", "10 samples or rows; beside mnist, train split")
    assert results.figure([told, held_out]) == ("pairs: l1 0.25 ± 0.5", "7 samples or rows")
    held_out["baselines"] = {"grey": {"l1": 0.5}, "do_nothing": {"l1": 0.125}}
    assert results.figure([held_out])[0] == "pairs: l1 0.25 ± 0.5 (do nothing: l1 0.125)"
    assert results.figure([]) == ("none was measured", "")


def test_a_docstring_becomes_markdown():
    docstring = (
        "A thing.\n\n    python -m train --recipe=x\n\n"
        "Result: docs/gallery/x.png, 1 +- 2 of a*b by\n--config.seed, `c*d`.\nTime: long\nindeed."
    )
    assert model_pages.told(docstring) == (
        "A thing.\n\n    python -m train --recipe=x\n\n"
        "**Result:** [docs/gallery/x.png](../gallery/x.png), 1 ± 2 of a\\*b by `--config.seed`, `c*d`.\n\n"
        "**Time:** long indeed."
    )
    with pytest.raises(ValueError, match="a page lacks the comments"):
        model_pages.written("# x\n", "")


@pytest.mark.parametrize(
    ("authors", "told"),
    [
        ("Ha and Schmidhuber (2018).", "Ha & Schmidhuber 2018"),
        ("After Kurach, Lucic and\nGelly (2019).", "Kurach et al. 2019"),
        ("Mao (2016).", "Mao 2016"),
    ],
)
def test_a_source_is_shortened(authors, told):
    assert model_pages.source(f"## Source\n\n{authors} *Title.*\n") == told


def commands(text):
    """Yield the words of every command line of ours in a text's blocks of code."""
    text = re.sub(r" *\\\n *|(?<=\S)\n +(?=--)", " ", text)
    for line in re.findall(r"^ *((?:python3? -m [a-z_.]+|genzoo-[a-z]+)(?: .*)?)$", text, re.MULTILINE):
        yield shlex.split(line, comments=True)


@functools.cache
def flags_of(module):
    """Return the names of the flags that a program's file defines."""
    spec = importlib.util.find_spec(module)
    if spec.submodule_search_locations:
        spec = importlib.util.find_spec(f"{module}.__main__")
    calls = (node for node in ast.walk(ast.parse(Path(spec.origin).read_text())) if isinstance(node, ast.Call))
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Attribute) and re.match("DEFINE_[a-z_]+$", call.func.attr)
    }


def check(words):
    """Raise where a command line of ours names a program, a flag, a recipe or a setting that does not exist."""
    if words[0].startswith("python"):
        module, given = words[2], words[3:]
    else:
        module, given = SCRIPTS[words[0]].partition(":")[0].removesuffix(".__main__"), words[1:]
    if module.partition(".")[0] not in ("zoo", "train", "export", "serving"):
        return
    known = {*flags_of(module), "help"}
    for word in given:
        if word.startswith("--") and not word.startswith("--config."):
            flag = word[2:].partition("=")[0]
            assert flag in known, f"{module} has no --{flag}: {shlex.join(words)}"
    if module == "train" and f"--recipe={catalogue.LIST}" not in given:
        recipe = dict(config.given(given)).get("recipe", "dcgan_digits")
        config.load(recipe, [word for word in given if "file.py:" not in word and "mine.py:" not in word])


@pytest.mark.parametrize("page", PAGES)
def test_every_command_line_names_what_exists(page):
    for words in commands(read(page)):
        if "noisy_code.py" not in shlex.join(words):  # tests/test_adding_a_model.py runs these
            check(words)


@pytest.mark.parametrize(
    "line",
    [
        "python -m train --recipe=nothing",
        "python -m train --recipe=nade_digits --config.nothing=1",
        "python -m train --recipe=nade_digits --config.model.nothing=1",
        "python -m serving.sample --nothing=1",
        "genzoo-sample --nothing=1",
        "python -m train.nothing",
    ],
)
def test_a_command_line_that_names_nothing_is_found(line):
    ((words),) = commands(f"    {line}\n")
    with pytest.raises((AssertionError, AttributeError, zoo.UserError)):
        check(words)


def test_versions_agree():
    from zoo.shared.version import VERSION

    assert f"\nversion: {VERSION}\n" in read("CITATION.cff")
    assert re.search(r"^## \[(.*?)\]", read("CHANGELOG.md"), re.MULTILINE)[1] == VERSION
    assert set(re.findall(r"genzoo-(\d+\.\d+\.\d+)-py3", read("BUILD.md") + read("deploy/tfjob.yaml"))) == {VERSION}
