"""A person's verdicts on the quotes of an answer: only sections that lose a quote are rewritten."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from workbench.engines.base import Engine
from workbench.errors import AnswerError, shown
from workbench.profiles import Profile
from workbench.qa.answer import Answer
from workbench.qa.assembling import assemble, touched
from workbench.qa.events import Closed, Outlined, Reviewed, Wrote
from workbench.qa.outline import without
from workbench.qa.records import Outline
from workbench.qa.writers.base import Task, Writer, check_seconds
from workbench.qa.writing import Drafts, write_sections


def review(
    answer: Answer,
    accept: Iterable[str],
    reject: Iterable[str],
    engine: Engine,
    writer: Writer,
    profile: Profile,
    seconds: float,
    drafts: Drafts,
) -> Answer:
    """The answer under these verdicts, which take the place of earlier ones. Raises AnswerError for
    an id that no quote has, or one on both sides."""
    if not isinstance(answer, Answer):
        raise AnswerError(f"{shown(answer)} is no answer; give one of ask or open_answer")
    seconds = check_seconds(seconds)
    start = time.perf_counter()

    def now() -> dict[str, Any]:
        return {"elapsed_ms": round((time.perf_counter() - start) * 1e3, 3)}

    trace = [event for event in answer.trace if not isinstance(event, Reviewed)]
    first = next((n for n, e in enumerate(answer.trace) if isinstance(e, Reviewed)), len(trace))
    before, after = trace[:first], trace[first:]
    planned = next((e.outline for e in before if isinstance(e, Outlined)), Outline((), ()))
    names = [quote.id for plan in planned.plans for quote in plan.quotes]
    accepted = _named("accept", accept, names)
    rejected = _named("reject", reject, names)
    both = next((name for name in accepted if name in rejected), None)
    if both is not None:
        raise AnswerError(f"{both} is both accepted and rejected; give it once")
    earlier = tuple(quote.id for quote in answer.rejected)
    plans = without(planned, rejected).plans
    known = without(planned, earlier).plans
    again = {n: plans[n] for n in sorted(touched(planned, rejected)) if plans[n].quotes}
    kept = {
        n: [e for e in after if isinstance(e, Wrote | Closed) and e.section == n]
        for n, plan in again.items()
        if plan == known[n]
    }
    fresh = {n: plan for n, plan in again.items() if not kept.get(n)}
    ids = list(dict.fromkeys(q.paper_id for plan in fresh.values() for q in plan.quotes))
    papers = {paper.id: paper for paper in engine.papers(ids)}
    task = Task.of(answer.question, papers, profile, seconds)
    written = list(write_sections(fresh, task, writer, profile.workers, now, drafts))
    tail = [event for events in kept.values() for event in events] + written
    verdicts = Reviewed(accepted=accepted, rejected=rejected, **now())
    return assemble([*before, verdicts, *tail], answer.stages)


def _named(what: str, given: Iterable[str], names: list[str]) -> tuple[str, ...]:
    """Ids in the order of the answer, each once."""
    try:
        wanted = [given] if isinstance(given, str) else list(given)
    except TypeError:
        raise AnswerError(f"{what} is {shown(given)}; give ids of quotes") from None
    unknown = [name for name in wanted if name not in names]
    if unknown:
        there = ", ".join(names) or "none"
        raise AnswerError(
            f"{what} names {shown(unknown[0])}, which is no quote of this answer: {there}"
        )
    return tuple(name for name in names if name in wanted)
