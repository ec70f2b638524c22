"""Pages of the site that live elsewhere in the project: the README, notebooks, other documents.

A hook of MkDocs. `make docs` runs the notebooks into build/notebooks first; a run counts only
while its cells are those of the notebook. A page without results says so.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
EXECUTED = ROOT / "build" / "notebooks"
DOCUMENTS = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "data/README.md": "sample-corpus.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Files of the project, and the pages that they become."""

WIDGET = "application/vnd.jupyter.widget-view+json"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
NOT_RUN = (
    '!!! note "Without results"\n'
    "    This notebook was not run when this copy of the site was built. `make docs` runs all of "
    "them, the one on Elasticsearch where `WORKBENCH_ES_URL` names a server."
)

_outputs: dict[str, list[str]] = {}
"""The outputs of each page, as HTML."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """A page for each document and each notebook."""
    _outputs.clear()
    pages = {
        uri: at_home((ROOT / name).read_text(encoding="utf-8"), name, uri)
        for name, uri in DOCUMENTS.items()
    }
    pages["index.md"] = f"---\nhide: [navigation]\n---\n{pages['index.md']}"
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        name, uri = f"notebooks/{path.name}", f"notebooks/{path.stem}.md"
        pages[uri] = at_home("\n\n".join(_notebook(path, uri)), name, uri)
    for uri, text in pages.items():
        files.append(File.generated(config, uri, content=text))
    return files


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """The outputs in their places, after the search has read the page: it is for the prose."""
    found = _outputs.get(page.file.src_uri, [])
    return re.sub(r'<div id="output-(\d+)"></div>', lambda place: found[int(place[1])], output)


def at_home(text: str, name: str, uri: str) -> str:
    """The text of a file of the project, its links leading from its page to those of the site."""

    def lead(link: re.Match[str]) -> str:
        target = normpath(join(dirname(name), link[1]))
        page = DOCUMENTS.get(target) or target.removeprefix("docs/").replace(".ipynb", ".md")
        return f"]({relpath(page, dirname(uri) or '.')}"

    return re.sub(r"\]\(([^):#]+)(?=[)#])", lead, text)


def _notebook(path: Path, uri: str) -> Iterator[str]:
    cells = _cells(path)
    executed = EXECUTED / path.name
    run = _cells(executed) if executed.exists() else []
    ran = [_text(cell["source"]) for cell in run] == [_text(cell["source"]) for cell in cells]
    outputs = _outputs[uri] = []
    for number, cell in enumerate(run if ran else cells):
        source = _text(cell["source"])
        if cell["cell_type"] == "markdown":
            yield source
        elif cell["cell_type"] == "code":
            yield f"```python\n{source}\n```"
            for shown in filter(None, map(_shown, cell["outputs"])):
                yield f'<div id="output-{len(outputs)}"></div>'
                outputs.append(f'<div class="wb-output" tabindex="0">{shown}</div>')
        if number == 0 and not ran:
            yield NOT_RUN


def _cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook. Plain JSON: importing nbformat takes a quarter of the build."""
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return cells


def _text(value: str | list[str]) -> str:
    """Text of a notebook, which may be stored line by line."""
    return "".join(value)


def _shown(output: dict[str, Any]) -> str:
    """One output as HTML; nothing for a widget, whose static form is the next output."""
    if output["output_type"] == "stream":
        return _plain(_text(output["text"]))
    if output["output_type"] == "error":
        return _plain("\n".join(output["traceback"]))
    data = output["data"]
    for kind in ("text/html", "image/svg+xml"):
        if kind in data:
            return _text(data[kind])
    if "image/png" in data:
        return f'<img alt="" src="data:image/png;base64,{_text(data["image/png"]).strip()}">'
    return "" if WIDGET in data else _plain(_text(data.get("text/plain", "")))


def _plain(text: str) -> str:
    return f"<pre>{html.escape(COLOURS.sub('', text))}</pre>" if text.strip() else ""
