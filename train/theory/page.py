"""The results as one page of HTML that needs nothing else: figures are embedded, nothing is fetched. No TensorFlow."""

import base64
import html
import io
from collections.abc import Mapping
from typing import Any

from train.theory.result import Number, Result

_STYLE = """
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff;
       font: 16px/1.55 system-ui, sans-serif; }
h1 { line-height: 1.2; } h2 { margin: 3.5rem 0 0.5rem; line-height: 1.3; }
img { width: 100%; height: auto; margin: 0.5rem 0; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
td:nth-child(n+2), th:nth-child(n+2) { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.verdict { display: inline-block; padding: 0.1rem 0.6rem; border-radius: 1rem; color: #fff; font-size: 0.9rem; }
.shown { background: #2e7d32; } .open { background: #b26a00; }
.protocol { color: #555; font-size: 0.9rem; }
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
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Theory, measured</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n'
        f"<body><h1>What the theory claims, measured</h1><p>{html.escape(about)}</p>"
        f"<ol>{links}</ol>\n{sections}</body></html>\n"
    )


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
    text = "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs)
    rows = "".join(
        f"<tr><td>{html.escape(what)}</td><td>{shown}</td><td>{deviation}</td></tr>"
        for what, (shown, deviation) in ((what, text_of(value)) for what, value in result.numbers.items())
    )
    return (
        f'<section id="{name}"><h2>{html.escape(_title(result))}</h2>'
        f'<span class="verdict {"shown" if result.holds else "open"}">{verdict(result)}</span>{text}'
        f'<img alt="{html.escape(_title(result))}" src="data:image/png;base64,{_png(result)}">'
        f"<table><tr><th>measured</th><th>mean</th><th>standard deviation over seeds</th></tr>{rows}</table>"
        f'<p class="protocol">{html.escape(result.protocol)}</p></section>\n'
    )


def _png(result: Result) -> str:
    buffer = io.BytesIO()
    result.figure.savefig(buffer, format="png", dpi=120)
    return base64.b64encode(buffer.getvalue()).decode()
