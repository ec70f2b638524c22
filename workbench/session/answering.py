"""Asking a corpus: cited answers, and how good they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict, Unpack, overload

from workbench.engines.filters import Texts, Years, make_filters
from workbench.errors import QueryError
from workbench.profiles import Profile
from workbench.qa.answer import Answer
from workbench.qa.asking import Asking, Request, Stages
from workbench.qa.evaluation.baselines import Choose
from workbench.qa.evaluation.evaluate import LENGTHS, evaluate_answers
from workbench.qa.evaluation.questions import Questions, read_questions
from workbench.qa.evaluation.report import AnswerReport
from workbench.qa.stream import AnswerStream
from workbench.qa.writers.base import Writer
from workbench.qa.writers.make import make_writer
from workbench.ranking.ranking import Ranking
from workbench.session.measuring import Measuring

WORDS = (10, 5000)
"""Limits of an answer's length."""


class AskOptions(TypedDict, total=False):
    """The options of `ask`."""

    writer: Writer | str | None
    words: int
    profile: Profile | str | None
    weights: Mapping[str, float] | None
    year: Years
    venue: Texts
    author: Texts
    field: Texts
    ids: Texts
    unsupported: Literal["drop", "mark"]
    seconds: float
    insist: bool
    stages: Stages


class Answering(Measuring):
    """A session that answers questions from its papers."""

    _asking: Asking | None = None

    @overload
    def ask(
        self, question: str, *, stream: Literal[False] = False, **options: Unpack[AskOptions]
    ) -> Answer: ...
    @overload
    def ask(
        self, question: str, *, stream: Literal[True], **options: Unpack[AskOptions]
    ) -> AnswerStream: ...
    @overload
    def ask(
        self, question: str, *, stream: bool, **options: Unpack[AskOptions]
    ) -> Answer | AnswerStream: ...
    def ask(
        self,
        question: str,
        *,
        writer: Writer | str | None = None,
        words: int = 300,
        stream: bool = False,
        profile: Profile | str | None = None,
        weights: Mapping[str, float] | None = None,
        year: Years = None,
        venue: Texts = None,
        author: Texts = None,
        field: Texts = None,
        ids: Texts = None,
        unsupported: Literal["drop", "mark"] = "drop",
        seconds: float = 120.0,
        insist: bool = False,
        stages: Stages = Stages(),
    ) -> Answer | AnswerStream:
        """An answer made of the corpus's own sentences, each with its place in its paper, or the
        reason why there is none (`answer.declined`).

        `words` is how much is quoted at most. `writer`: "extractive" (default, no model), "openai"
        or a `Writer`; whatever it writes is checked against its quotes, and what they do not carry
        is dropped or, with `unsupported="mark"`, marked. Writing takes at most `seconds`. With
        `stream`, an iterator of events instead. `profile`, `weights` and filters as in `search`;
        of the profile, `context_threshold` is the least relevance of a passage that is quoted.
        `insist` answers from thin evidence too, and says so. `stages` replaces stages. Ctrl-C gives
        what is finished.

        Raises QueryError, WriterError (an unknown writer) and what `search` raises.
        """
        if isinstance(words, bool) or not isinstance(words, int) or not _within(words, *WORDS):
            raise QueryError(
                f"words is {words!r}; give a whole number from {WORDS[0]} to {WORDS[1]}"
            )
        if unsupported not in ("drop", "mark"):
            raise QueryError(f"unsupported is {unsupported!r}; give drop or mark")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
            raise QueryError(f"seconds is {seconds!r}; give a number above 0")
        chosen = self._profile(profile, weights)
        filters = make_filters(year=year, venue=venue, author=author, field=field, ids=ids)

        def search() -> Ranking:
            return self.search(
                question,
                profile=chosen,
                year=year,
                venue=venue,
                author=author,
                field=field,
                ids=ids,
            )

        self._retriever.prepare(question)  # a question that cannot be searched fails here
        if self._asking is None:
            self._asking = Asking(self._embedder)
        request = Request(
            question=question,
            profile=chosen,
            writer=make_writer(writer),
            search=search,
            key=f"{self.engine.fingerprint} {filters}",
            words=words,
            seconds=float(seconds),
            mark=unsupported == "mark",
            insist=insist,
            stages=stages,
        )
        answers = AnswerStream(self._asking, request)
        return answers if stream else answers.finish()

    def evaluate_answers(
        self,
        questions: Questions,
        words: Sequence[int] = LENGTHS,
        *,
        writer: Writer | str | None = None,
        profile: Profile | str | None = None,
        baselines: bool = True,
        progress: bool = True,
    ) -> AnswerReport:
        """How good answers are: what they say of what they should, the papers that they cite, what
        is declined, and the time by stage; beside other ways to choose sentences at equal words,
        and beside chance (each question measured against another one's answer).

        `questions` are records or a JSONL file: `id`, `text`, `papers` (required; none where the
        corpus has no answer) and `statements`. Raises EvaluationError and what `ask` raises.
        """
        judged = read_questions(questions)

        def ask(text: str, words: int, choose: Choose | None) -> Answer:
            if choose is None:
                return self.ask(text, words=words, writer=writer, profile=profile)
            return self.ask(text, words=words, profile=profile, stages=Stages(choose=choose))

        return evaluate_answers(
            ask, self.engine, judged, words, baselines=baselines, progress=progress
        )


def _within(value: int, least: int, most: int) -> bool:
    return least <= value <= most
