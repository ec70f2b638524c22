"""Records prepared in processes beside this one, where the encoder would wait for this one.

Run as a module, it is such a process. Plain values alone go to and fro (marshal), never objects:
a batch that holds others is prepared here, and so is all that a process could not do.
"""

from __future__ import annotations

import marshal
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import islice
from queue import SimpleQueue
from subprocess import Popen
from typing import IO, Any

from workbench.corpus.analysis import Analyser
from workbench.corpus.chunking import TokenCounter, embedding_text, short_titles
from workbench.corpus.formats.entry import Entry
from workbench.corpus.identity.arrivals import Arrival
from workbench.corpus.preparing import (
    BATCH_CHARACTERS,
    Batch,
    InlinePreparer,
    Prepared,
    PreparedPaper,
    ahead,
    analyse,
    prepare,
    sources_of,
)
from workbench.corpus.term_counts import TableCounts, Vocabulary
from workbench.corpus.writer import AnalysedPaper, EmbeddingIds, StoredForm
from workbench.errors import RecordError
from workbench.models.memory.hardware import cores
from workbench.records import Paper
from workbench.system.children import start_worker
from workbench.system.stages import Stages

BEGIN = 2
"""Batches prepared here before it is asked whether processes would pay."""

MOST = 6
"""Processes; this one, which stores what they prepare, keeps no more of them busy."""

_Frame = tuple[Any, ...]
_Answer = Future[_Frame | None] | None


class ProcessPreparer:
    """Prepares here, and in processes from when `waits` says that the encoder waits for papers.

    An embedder without a tokenizer that can be made elsewhere, and a machine of one core, have all
    prepared here.
    """

    def __init__(
        self, analyser: Analyser, embedder: TokenCounter, stages: Stages, waits: Callable[[], bool]
    ) -> None:
        self._setup = _setup(analyser, embedder) if cores() > 1 else None
        self._inline = InlinePreparer(stages)
        self._stages = stages
        self._waits = waits

    def __call__(
        self, batches: Iterator[Batch], *, strict: bool, likely_new: Callable[[], bool]
    ) -> Generator[Batch, None, None]:
        """As `corpus.preparing.Preparer`."""
        with ExitStack() as stack:
            processes: _Processes | None = None
            for number, batch in enumerate(batches, start=1):
                yield from self._inline(iter([batch]), strict=strict, likely_new=likely_new)
                if processes is not None:
                    if processes.ready:  # a second later; nobody waited
                        break
                elif number % BEGIN == 0 and self._setup and likely_new() and self._waits():
                    made = _Processes(min(MOST, cores() - 1), self._setup)
                    processes = stack.enter_context(made)
            else:
                return
            yield from self._with(processes, batches, strict, likely_new)

    def _with(
        self,
        processes: _Processes,
        batches: Iterator[Batch],
        strict: bool,
        likely_new: Callable[[], bool],
    ) -> Iterator[Batch]:
        """The batches, prepared by processes, and here where that would mean to wait for them."""
        asked: deque[tuple[Batch, _Answer]] = deque()

        def begin(batch: Batch) -> Callable[[], Batch]:
            answer = processes.ask(batch, strict, likely_new())
            asked.append((batch, answer))

            def prepared() -> Batch:
                asked.popleft()
                with self._stages("prepare"):
                    while not _done(answer) and (other := _unbegun(asked)) is not None:
                        prepare(other, sources_of(other.entries), strict=strict)
                    if not _filled(batch, answer):
                        prepare(batch, sources_of(batch.entries), strict=strict)
                return batch

            return prepared

        def room(waiting: list[Batch]) -> bool:
            characters = sum(batch.characters for batch in waiting)
            return len(waiting) < 2 + 2 * len(processes) and characters < 2 * BATCH_CHARACTERS

        yield from ahead(batches, begin, room)


def _done(answer: _Answer) -> bool:
    return answer is None or answer.done()


def _unbegun(asked: Iterable[tuple[Batch, _Answer]]) -> Batch | None:
    """The last batch that no process has begun with, taken from them; None where there is none."""
    for batch, answer in reversed([*asked]):
        if answer is not None and not answer.cancelled() and answer.cancel():
            return batch
    return None


def _setup(analyser: Analyser, embedder: TokenCounter) -> _Frame | None:
    """What a process needs to prepare as this one does."""
    tokenizer = getattr(embedder, "tokenizer", None)
    to_text = getattr(tokenizer, "to_str", None)
    if to_text is None:
        return None
    prompt = getattr(embedder, "ids_prompt", None)
    words = tuple(sorted(analyser.stop_words))
    return to_text(), embedder.window, prompt, analyser.version, words


class _Processes:
    """Processes that wait for batches, each fed by a thread."""

    def __init__(self, number: int, setup: _Frame) -> None:
        self._children = [start_worker(__name__) for _ in range(number)]
        self._free: SimpleQueue[Popen[bytes]] = SimpleQueue()
        self._threads = ThreadPoolExecutor(number, thread_name_prefix="preparing")
        begun = marshal.dumps(setup)
        for child in self._children:
            self._threads.submit(self._begin, child, begun)

    def _begin(self, child: Popen[bytes], setup: bytes) -> None:
        """Until a process has loaded what it needs."""
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            _send(child.stdin, setup)
            _received(child.stdout)
        except OSError:
            pass  # it ended; so will whatever it is asked
        self._free.put(child)

    @property
    def ready(self) -> bool:
        """Whether one can begin now."""
        return not self._free.empty()

    def __len__(self) -> int:
        return len(self._children)

    def __enter__(self) -> _Processes:
        return self

    def __exit__(self, *raised: object) -> None:
        for child in self._children:
            child.kill()  # a thread that waits for it gets the end of its pipe
        self._threads.shutdown(cancel_futures=True)
        for child in self._children:
            child.wait()
            for pipe in (child.stdin, child.stdout):
                assert pipe is not None
                with suppress(OSError):  # what was not yet sent goes nowhere
                    pipe.close()

    def ask(self, batch: Batch, strict: bool, deep: bool) -> _Answer:
        """The values of a batch, to come; None where it holds others than plain ones."""
        entries = [
            (
                entry.file,
                entry.line,
                None if entry.record is None else dict(entry.record),
                entry.problem,
                None if entry.raw is None or entry.raw is entry.record else dict(entry.raw),
                entry.format,
            )
            for entry in batch.entries
        ]
        try:
            asked = marshal.dumps((entries, sources_of(batch.entries), strict, deep))
        except ValueError:
            return None
        return self._threads.submit(self._answer, asked)

    def _answer(self, asked: bytes) -> _Frame | None:
        child = self._free.get()
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            _send(child.stdin, asked)
            said = _received(child.stdout)
        except OSError:
            said = None
        finally:
            self._free.put(child)
        if said is None:
            return None
        found: _Frame | None = _values(said)
        return found


def _filled(batch: Batch, answer: _Answer) -> bool:
    """Whether the batch is prepared: here already, or by a process, and then it holds what that
    said."""
    if batch.prepared:
        return True
    found = None if answer is None else answer.result()
    if found is None:
        return False
    table, records = found
    for entry, values in zip(batch.entries, records, strict=False):
        batch.prepared.append(
            RecordError(values) if isinstance(values, str) else _unpacked(entry, values, table)
        )
    return True


def _unpacked(entry: Entry, values: _Frame, table: list[str]) -> Prepared:
    arrived, fields, form, texts = values
    paper, stored = Paper(*fields), StoredForm(*form)
    analysed = None
    if texts is not None:
        title, passages, tokens = texts
        spans = tuple((start, end, TableCounts(table, terms)) for start, end, terms in passages)
        ids = None if tokens is None else EmbeddingIds(*tokens)
        analysed = AnalysedPaper(paper, spans, TableCounts(table, title), stored, ids)
    return Prepared(Arrival(entry, *arrived), PreparedPaper(paper, stored, analysed))


# In the process


def _packed(found: Prepared | RecordError, table: Vocabulary) -> _Frame | str:
    if isinstance(found, RecordError):
        return str(found)
    one, made = found.arrival, found.made
    arrived = (
        dict(one.record), one.authoritative, one.source, one.wanted, list(one.keys), one.content,
        one.raw,
    )  # fmt: skip
    paper, form, whole = made.paper, made.form, made.analysed
    fields = tuple(getattr(paper, name) for name in Paper.__dataclass_fields__)
    texts = None
    if whole is not None:
        title = table.pack(whole.title_terms)
        spans = tuple((start, end, table.pack(terms)) for start, end, terms in whole.passages)
        tokens = whole.tokens and (whole.tokens.title, whole.tokens.ids)
        texts = title, spans, tokens
    return arrived, fields, (form.digest, form.record, form.names), texts


class _Counter:
    """The embedder's window and tokens, without the embedder. `prompt` goes before each document;
    None where tokens are of no use."""

    def __init__(self, tokenizer: str, window: int, prompt: str | None) -> None:
        from tokenizers import Tokenizer

        from workbench.models.embedders.token_starts import TokenStarts

        self.window = window
        self.token_starts = TokenStarts(Tokenizer.from_str(tokenizer))
        self._prompt = prompt

    def tokenised(self, papers: list[AnalysedPaper]) -> list[AnalysedPaper]:
        """Papers with their passages' tokens, where these are of use."""
        if self._prompt is None:
            return papers
        titles = short_titles([one.paper.title for one in papers], self)
        texts = [
            self._prompt + embedding_text(title, one.paper.text[start:end])
            for one, title in zip(papers, titles, strict=True)
            for start, end, _ in one.passages
        ]
        ids = (found.tobytes() for found in self.token_starts.ids(texts))
        return [
            replace(one, tokens=EmbeddingIds(len(title), tuple(islice(ids, len(one.passages)))))
            for one, title in zip(papers, titles, strict=True)
        ]


def _prepare_for(asked: IO[bytes], said: IO[bytes]) -> None:
    """Prepare batches until no more come."""
    setup = _received(asked)
    if setup is None:
        return
    tokenizer, window, prompt, version, stop_words = _values(setup)
    counter = _Counter(tokenizer, window, prompt)
    analyser = Analyser(version, frozenset(stop_words))
    _send(said, b"")  # it can begin
    while (frame := _received(asked)) is not None:
        values, sources, strict, deep = _values(frame)
        entries = [
            Entry(file, line, record, problem, raw=raw, format=name)
            for file, line, record, problem, raw, name in values
        ]
        batch = Batch(entries)
        try:
            prepare(batch, sources, strict=strict)
            found = batch.prepared
            if deep:
                found = _analysed(found, analyser, counter)
            table = Vocabulary()
            records = [_packed(one, table) for one in found]
            answer = marshal.dumps((list(table), records))
        except Exception:  # it is raised anew where it can be told
            answer = marshal.dumps(None)
        _send(said, answer)


def _analysed(
    found: list[Prepared | RecordError], analyser: Analyser, counter: _Counter
) -> list[Prepared | RecordError]:
    good = [one for one in found if isinstance(one, Prepared)]
    whole = iter(counter.tokenised(analyse([one.made for one in good], analyser, counter)))
    return [
        one
        if isinstance(one, RecordError)
        else Prepared(one.arrival, PreparedPaper(one.made.paper, one.made.form, next(whole)))
        for one in found
    ]


def _send(pipe: IO[bytes], frame: bytes) -> None:
    pipe.write(len(frame).to_bytes(8, "little"))
    pipe.write(frame)
    pipe.flush()


def _values(frame: bytes) -> Any:
    """The values of a frame; only our own processes have the other end of a pipe."""
    return marshal.loads(frame)  # noqa: S302 - see above


def _received(pipe: IO[bytes]) -> bytes | None:
    """The next frame; None at the end."""
    size = pipe.read(8)
    if len(size) < 8:
        return None
    length = int.from_bytes(size, "little")
    frame = pipe.read(length)
    return frame if len(frame) == length else None


if __name__ == "__main__":
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints does not print into the answers
    _prepare_for(sys.stdin.buffer, own)
