"""The results as one page of HTML that needs nothing else, see `train.page`. No TensorFlow."""

import html
import io
from collections.abc import Mapping
from typing import Any

from train import page
from train.theory.result import Number, Result

_STYLE = """
.verdict { display: inline-block; padding: 0.1rem 0.6rem; border-radius: 1rem; color: #fff; font-size: 0.9rem; }
.shown { background: #2e7d32; } .open { background: #b26a00; }
"""


def verdict(result: Result) -> str:
    """Return what a reader may conclude, in words."""
    return "shown" if result.holds else "not shown at this budget"


def render(results: Mapping[str, Result], about: str) -> str:
    """Return the page, as HTML, of results by the experiment's name; `about` is the line under the title."""
    links = "".join(
        f'<li><a href="#{name}">{html.escape(_title(result))}</a> ({verdict(result)})</li>'
        for name, result in results.items()
    )
    sections = "".join(_section(name, result) for name, result in results.items())
    body = f"<h1>What the theory claims, measured</h1>{page.paragraphs([about])}<ol>{links}</ol>\n{sections}"
    return page.document("Theory, measured", body, _STYLE)


def text_of(value: Number) -> tuple[str, str]:
    """Return a number as it is shown, and its standard deviation over seeds or nothing."""
    if isinstance(value, dict):
        deviation: Any = value["deviation"]
        return _plain(value["mean"]), "" if deviation is None else f"{deviation:.2g}"
    return _plain(value), ""


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}"


def _title(result: Result) -> str:
    return result.claim.split("\n", 1)[0].removesuffix(".")


def _section(name: str, result: Result) -> str:
    _, *paragraphs = result.claim.strip().split("\n\n")
    rows = [(what, *text_of(value)) for what, value in result.numbers.items()]
    return (
        f'<section id="{name}"><h2>{html.escape(_title(result))}</h2>'
        f'<span class="verdict {"shown" if result.holds else "open"}">{verdict(result)}</span>'
        f"{page.paragraphs(paragraphs)}{page.picture(_png(result), _title(result))}"
        f"{page.table(('measured', 'mean', 'standard deviation over seeds'), rows)}"
        f"{page.paragraphs([result.protocol], 'quiet')}</section>\n"
    )


def _png(result: Result) -> bytes:
    buffer = io.BytesIO()
    result.figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
