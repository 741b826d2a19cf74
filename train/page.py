"""A page of HTML that needs nothing else: figures are embedded, nothing is fetched; light and dark, on a phone too."""

import base64
import html
from collections.abc import Iterable, Sequence

_STYLE = """
:root { color-scheme: light dark; --text: #222; --quiet: #5a5a5a; --ground: #fff; --line: #ddd; }
@media (prefers-color-scheme: dark) { :root { --text: #ddd; --quiet: #a5a5a5; --ground: #16181b; --line: #3a3d42; } }
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: var(--text); background: var(--ground);
       font: 16px/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { line-height: 1.2; } h2 { margin: 3.5rem 0 0.5rem; line-height: 1.3; }
img { width: 100%; height: auto; margin: 0.5rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; overflow-wrap: normal; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td:nth-child(n+2), th:nth-child(n+2) { text-align: right; font-variant-numeric: tabular-nums; }
pre { overflow-x: auto; font-size: 0.8rem; }
.quiet { color: var(--quiet); font-size: 0.9rem; }
"""


def document(title: str, body: str, style: str = "") -> str:
    """Return a page of this title and body, which is HTML; `style` is what it has of its own."""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}{style}</style></head>\n'
        f"<body>{body}</body></html>\n"
    )


def paragraphs(texts: Iterable[str], kind: str = "") -> str:
    """Return each text as a paragraph, perhaps of a class of the style such as "quiet"."""
    chosen = f' class="{kind}"' if kind else ""
    return "".join(f"<p{chosen}>{html.escape(text)}</p>" for text in texts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a line feed in a cell begins a new line. On a narrow screen it can be moved sideways."""
    titles = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    lines = "".join(f"<tr>{''.join(f'<td>{_lines(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{titles}</tr>{lines}</table></div>'


def picture(data: bytes, alt: str, kind: str = "image/png") -> str:
    """Return an embedded picture; `alt` says what it shows."""
    return f'<img alt="{html.escape(alt)}" src="data:{kind};base64,{base64.b64encode(data).decode()}">'


def sound(data: bytes) -> str:
    """Return an embedded WAV file that can be played."""
    return f'<audio controls src="data:audio/wav;base64,{base64.b64encode(data).decode()}"></audio>'


def _lines(cell: str) -> str:
    return "<br>".join(map(html.escape, cell.split("\n")))
