"""Hooks of mkdocs for `make docs`: pages from outside docs/, links as the repository has them, equations as MathML.

The Markdown files are written for a reader of the repository: links lead to files beside them. On the site README.md is
the front page, other Markdown files of the repository are pages, and so is each file of code that a page links to.
Equations between dollar signs become MathML when the site is built, which browsers show without any script.
"""

import html
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# what is a page though no page need link to it
FROM_ELSEWHERE = ("README.md", "BUILD.md", "CHANGELOG.md", "CONTRIBUTING.md")
_CODE = r"^(?P<fence>```+).*?^(?P=fence)|`[^`\n]+`"
_LINK = r"(?P<before>!?\[[^\]]*\]\()(?P<target>[^)\s#]*)(?P<anchor>#[^)\s]*)?\)"
_CODE_OR_LINK = re.compile(f"(?P<code>{_CODE})|{_LINK}", re.DOTALL | re.MULTILINE)
_OUTSIDE = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//[^>]*>")
_SUFFIXES = {".py": "python", ".cjs": "javascript", ".json": "json", ".sh": "bash", ".txt": "text"}

_origins: dict[str, str] = {}  # of the pages that are made here: the file in the repository


def links(text: str) -> Iterator[tuple[str, str]]:
    """Yield (target, anchor without #) of every link and picture in a Markdown text, but not of what is code."""
    for found in _CODE_OR_LINK.finditer(text):
        if found["code"] is None:
            yield found["target"], (found["anchor"] or "")[1:]


def leads_out(target: str) -> bool:
    """Return whether a link leads to another host."""
    return "://" in target or target.startswith("mailto:")


def beside(page: str, target: str) -> str:
    """Return the file that a link of a page leads to, both by their places in the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target)) if target else page


def uri(path: str) -> str:
    """Return where the site has what lies at a place of the repository, as mkdocs names its sources."""
    if path == "README.md":
        return "index.md"
    if path == "docs" or path.startswith("docs/"):
        inside = posixpath.relpath(path, "docs")
        return posixpath.normpath(f"{inside}/README.md") if (ROOT / path).is_dir() else inside
    if path.endswith((".md", ".png")):
        return path if "/" in path else path.lower()
    return f"source/{path}.md"


def with_links_of_the_site(text: str, page: str) -> str:
    """Return a page's Markdown with every link to a file of the repository leading to its place on the site."""

    def moved(found: re.Match[str]) -> str:
        if found["code"] is not None or leads_out(found["target"]) or not found["target"]:
            return found[0]
        to = posixpath.relpath(uri(beside(page, found["target"])), posixpath.dirname(uri(page)) or ".")
        return f"{found['before']}{to}{found['anchor'] or ''})"

    return _CODE_OR_LINK.sub(moved, text)


def source_page(path: str) -> str:
    """Return the page that shows a file of code, or names the files of a directory."""
    place = ROOT / path
    head = f"---\nhide: [navigation, toc]\nsearch:\n  exclude: true\n---\n\n# {path}\n\n"
    if place.is_dir():
        return head + "\n".join(f"- `{file.name}`" for file in sorted(place.iterdir()) if file.name[0] not in "._")
    return f"{head}``````{_SUFFIXES.get(place.suffix, 'text')}\n{place.read_text()}\n``````\n"


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Add the pages that lie outside docs/ and those that show code."""
    from mkdocs.structure.files import File

    waiting = [f"docs/{file.src_uri}" for file in files.documentation_pages()] + list(FROM_ELSEWHERE)
    _origins.clear()
    while waiting:
        page = waiting.pop()
        text = (ROOT / page).read_text()
        if not page.startswith("docs/"):
            _origins[uri(page)] = page
            files.append(File.generated(config, uri(page), content=text))
        for target, _anchor in links(text):
            to = beside(page, target)
            if leads_out(target) or to.startswith("docs") or uri(to) in _origins or to in waiting:
                continue
            if to.endswith(".md"):
                waiting.append(to)
            elif to.endswith(".png"):
                _origins[uri(to)] = to
                files.append(File.generated(config, uri(to), abs_src_path=str(ROOT / to)))
            else:
                _origins[uri(to)] = to
                files.append(File.generated(config, uri(to), content=source_page(to)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links to files of the repository into links of the site."""
    origin = _origins.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    return with_links_of_the_site(markdown, origin) if origin.endswith(".md") else markdown


def on_page_content(content: str, **_: Any) -> str:
    """Turn the equations into MathML."""
    from latex2mathml.converter import convert
    from mkdocs.exceptions import PluginError

    def mathml(found: re.Match[str]) -> str:
        display = "block" if found["tag"] == "div" else "inline"
        drawn = convert(html.unescape(found["tex"]).strip(), display=display)
        if "\\" in drawn:
            raise PluginError(f"an equation with a command that is not known: {found['tex']}")
        space = '<mspace width="0.17em"/>'  # browsers set none around the name of a function
        return str(drawn).replace("<mi>log</mi>", f"<mrow>{space}<mi>log</mi>{space}</mrow>")

    equation = r'<(?P<tag>div|span) class="arithmatex">\\[\[(](?P<tex>.*?)\\[\])]</(?P=tag)>'
    return re.sub(equation, mathml, content, flags=re.DOTALL)


def on_post_build(config: Any, **_: Any) -> None:
    """Refuse a site that loads anything from another host."""
    from mkdocs.exceptions import PluginError

    for path in Path(config.site_dir).rglob("*.html"):
        if found := _OUTSIDE.search(path.read_text()):
            raise PluginError(f"{path} loads from elsewhere: {found[0]}")
