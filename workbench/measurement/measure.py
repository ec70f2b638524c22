"""Measure profiles, each in a fresh process, and keep what was found beside the corpus."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from workbench.corpus.faults import disk_faults
from workbench.corpus.manifest import NAME, read_manifest
from workbench.errors import EvaluationError
from workbench.evaluation.inputs import as_judgments, as_queries
from workbench.evaluation.reports.metrics import grades_by_query
from workbench.measurement.measurements import Measured, Measurements
from workbench.models.memory.hardware import cores
from workbench.opening import INDEX, open_corpus
from workbench.profiles import Profile, as_profile, list_profiles
from workbench.records import Judgment, Query
from workbench.system.children import run_module
from workbench.system.files import replacing

KEPT = "profiles.json"
TIMED = 200
"""Queries that are timed; all judged ones count for quality."""


def measure_profiles(
    folder: str | Path,
    queries: str | Path | Iterable[Query],
    judgments: str | Path | Iterable[Judgment],
    profiles: Sequence[Profile | str] | None = None,
    *,
    metric: str = "nDCG@10",
    progress: bool = True,
) -> Measurements:
    """Quality, latency and memory of each profile (all that have a name, where none are given).

    Each runs in a process of its own: it opens the corpus, answers five queries to load what is
    needed, then up to 200 one by one for latency, then all judged ones for quality. The result
    is kept in the corpus folder, profile by profile, for `read_measurements`.
    Raises ProfileError, EvaluationError, and what opening the corpus and reading the files raise.
    """
    from workbench.system.progress import tqdm

    with open_corpus(folder, progress=progress) as bench:
        index, corpus = bench.folder, bench.manifest.fingerprint
    chosen = [as_profile(profile) for profile in (profiles or list_profiles())]
    names = [profile.name for profile in chosen]
    if len(set(names)) < len(names):
        raise EvaluationError(f"profiles {', '.join(names)}: two have one name; rename one")
    job = _job(index, queries, judgments, metric)
    kept = Measurements(
        metric, corpus, _machine(), len(job["queries"]), min(TIMED, len(job["queries"])), ()
    )
    rows: dict[str, Measured] = {}
    for profile in tqdm(chosen, desc="Profiles", unit="", delay=2, disable=not progress):
        rows[profile.name] = _measured(profile, job)
        keep(index, _with(kept, [*rows.values()]))
    return _with(kept, [*rows.values()])


def read_measurements(folder: str | Path) -> Measurements | None:
    """What was measured last on this corpus as it is now; None where nothing was, or the corpus
    has changed since. `folder` is an index or what holds one."""
    index = _index(Path(folder).expanduser())
    try:
        kept = Measurements.from_dict(json.loads((index / KEPT).read_text("utf-8")))
        current = read_manifest(index).fingerprint
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kept if kept.corpus == current else None


def keep(index: Path, found: Measurements) -> None:
    """Write measurements beside the index; profiles measured before under the same terms stay."""
    before = read_measurements(index)
    same = before is not None and _terms(before) == _terms(found)
    names = {row.profile for row in found}
    others = [row for row in before if row.profile not in names] if before and same else []
    content = _with(found, [*others, *found.rows]).to_dict()
    with disk_faults(index / KEPT), replacing(index / KEPT) as stream:
        json.dump(content, stream, indent=1)


def _terms(found: Measurements) -> tuple[Any, ...]:
    return found.metric, found.corpus, found.machine, found.queries


def _with(found: Measurements, rows: Sequence[Measured]) -> Measurements:
    return Measurements(
        found.metric, found.corpus, found.machine, found.queries, found.timed, tuple(rows)
    )


def _job(index: Path, queries: Any, judgments: Any, metric: str) -> dict[str, Any]:
    """What the process is told, as JSON."""
    asked, judged = as_queries(queries), as_judgments(judgments)
    known = grades_by_query(judged)
    texts = [(query.id, query.text) for query in asked if query.id in known]
    if not texts:
        raise EvaluationError("no query has a judgment; check that the ids of both files agree")
    grades = [(j.query_id, j.paper_id, j.grade) for j in judged]
    return {
        "index": str(index),
        "metric": metric,
        "queries": texts,
        "judgments": grades,
        "timed": TIMED,
    }


def _measured(profile: Profile, job: dict[str, Any]) -> Measured:
    told = json.dumps({**job, "profile": profile.to_dict()})
    done = run_module("workbench.measurement.child", told=told)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise EvaluationError(f"profile {profile.name!r} could not be measured: {reason}")
    values = json.loads(done.stdout.splitlines()[-1])
    return Measured(profile=profile.name, fingerprint=profile.fingerprint, **values)


def _index(folder: Path) -> Path:
    inner = folder / INDEX
    if not (folder / NAME).is_file() and (inner / NAME).is_file():
        return inner
    return folder


def _machine() -> str:
    return f"{cores()} CPUs, {platform.machine()}, {platform.system()}"
