"""A step written down: the cell, the profile, the list of papers, or how it looks."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from workbench.errors import QueryError, UnsupportedSource
from workbench.ranking.exporting import export_papers
from workbench.ranking.ranking import Ranking
from workbench.system.files import replacing

PAPERS = (".csv", ".bib", ".ris", ".json")
ENDINGS = (".py", ".toml", ".html", *PAPERS)


def export_text(ending: str, code: str, ranking: Ranking | None) -> str:
    """The text of a file with this ending. Raises UnsupportedSource for another ending, QueryError
    where there is no ranking."""
    if ending not in ENDINGS:
        raise UnsupportedSource(f"no format for {ending!r}; use {', '.join(ENDINGS)}")
    if ranking is None:
        raise QueryError("there is no ranking to write; search first")
    if ending == ".py":
        return code + "\n"
    if ending == ".toml":
        return ranking.profile.to_toml()
    if ending == ".html":
        head = '<!doctype html>\n<meta charset="utf-8">\n<title>Ranking</title>\n'
        return head + ranking.view().html()
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"ranking{ending}"
        extras = [{"rank": hit.rank, "score": hit.score} for hit in ranking]
        export_papers([hit.paper for hit in ranking], path, extras)
        return path.read_text(encoding="utf-8")


def write_export(path: Path, code: str, ranking: Ranking | None) -> Path:
    """The same into a file; an earlier one is replaced when all is written."""
    text = export_text(path.suffix.lower(), code, ranking)
    with replacing(path) as stream:
        stream.write(text)
    return path
