"""Judged questions: what an answer must cite and say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workbench.corpus.readers import read_entries
from workbench.errors import EvaluationError, shown


@dataclass(frozen=True, slots=True)
class JudgedQuestion:
    """A question, the papers that its answer has to cite, and what it has to say, a statement
    each. Without papers the corpus has no answer, and declining is right."""

    id: str
    text: str
    papers: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()

    @property
    def answerable(self) -> bool:
        """Whether the corpus has the answer."""
        return bool(self.papers)


Questions = str | Path | Iterable[JudgedQuestion]


def read_questions(source: Questions) -> list[JudgedQuestion]:
    """Judged questions from a JSONL file (`id`, `text`, `papers`, `statements` a line), or as they
    are. Raises EvaluationError for a line that is none, an id twice, or no question at all."""
    if isinstance(source, str | Path):
        found = [_question(Path(source), entry) for entry in read_entries(Path(source))]
    else:
        found = list(source) if isinstance(source, Iterable) else [source]
        others = [item for item in found if not isinstance(item, JudgedQuestion)]
        if others:
            raise EvaluationError(
                f"{shown(others[0])} is no JudgedQuestion; give these, or the path of a JSONL file"
            )
    ids = [question.id for question in found]
    twice = next((name for name in ids if ids.count(name) > 1), None)
    if twice is not None:
        raise EvaluationError(f"question id {twice!r} occurs twice; give each its own")
    if not found:
        raise EvaluationError("no question to evaluate; give at least one")
    return found


def _question(path: Path, entry: object) -> JudgedQuestion:
    record = getattr(entry, "record", None)
    line = getattr(entry, "line", 0)
    if not isinstance(record, dict):
        problem = getattr(entry, "problem", "")
        raise EvaluationError(f"{path} line {line}: {problem or 'no record'}")
    texts = [record.get("id"), record.get("text")]
    lists = [record.get("papers", []), record.get("statements", [])]
    good = all(isinstance(text, str) and text.strip() for text in texts) and all(
        isinstance(values, list) and all(isinstance(v, str) for v in values) for values in lists
    )
    if not good:
        raise EvaluationError(
            f"{path} line {line}: a question needs the texts id and text, and lists of texts "
            "papers and statements"
        )
    return JudgedQuestion(str(texts[0]), str(texts[1]), tuple(lists[0]), tuple(lists[1]))
