"""The ask panel: a question, its stages as they come, the answer with its quotes, verdicts on them.

An answer is made in a thread of its own, so that Stop is heard while it works; every event goes to
the page at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from workbench.errors import QueryError, shown
from workbench.present.view import View
from workbench.profiles import Profile, as_profile, list_profiles
from workbench.qa.answer import Answer
from workbench.qa.asking import check_words
from workbench.qa.events import Closed, Declined, Found, Outlined, Quoted
from workbench.qa.writers.base import Writer
from workbench.qa.writers.make import WRITERS, make_writer
from workbench.widgets.ask_content import Asked, answer_content, ask_code, progress_content
from workbench.widgets.base import error_content, static
from workbench.widgets.live import Live
from workbench.widgets.state import variable_of

if TYPE_CHECKING:
    from workbench.qa.stream import AnswerStream
    from workbench.session import Workbench

LENGTHS = (150, 300, 600, 1200)
KEPT = 50
"""Answers of the history."""

NOTHING: dict[str, Any] = {"number": 0}
QUIET = {"kind": "", "title": "", "text": ""}
_TELLING = Found | Quoted | Outlined | Closed | Declined

EXPORTS: dict[str, tuple[Callable[[Answer], str], str]] = {
    "Markdown": (Answer.to_markdown, "answer.md"),
    "BibTeX": (Answer.to_bibtex, "answer.bib"),
    "HTML": (Answer.to_html, "answer.html"),
}


class AskView(anywidget.AnyWidget):
    """What the kernel shows the page; what the page wants comes as messages."""

    _esm = static("page_keys.js", "dom.js", "kernel.js", "ask_parts.js", "ask.js")
    _css = static("style.css", "ask.css")
    options = traitlets.Dict().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)
    progress = traitlets.Dict().tag(sync=True)
    history: Any = traitlets.List().tag(sync=True)
    message = traitlets.Dict().tag(sync=True)


@dataclass(slots=True)
class _Entry:
    """A question of the history with its answer as it is now."""

    number: int
    asked: Asked
    answer: Answer


class AskPanel(Live):
    """Ask in a notebook; shows itself as a cell's result, and as the answer in a saved notebook.

    `answer` is what is on screen, `ask` what the Ask button does, `review` what the buttons of the
    quotes do, `code()` the cell that gives the answer again. `writer` is a name or a Writer; of the
    latter the page offers its name. `page` is the widget.
    """

    _lets_go = ("bench",)

    def __init__(
        self,
        bench: Workbench,
        question: str = "",
        *,
        writer: Writer | str | None = None,
        profile: Profile | str | None = None,
        words: int = 300,
    ) -> None:
        self.bench = bench
        self.answer: Answer | None = None
        if not isinstance(question, str):
            raise QueryError(f"question is {shown(question)}; give a text")
        words = check_words(words)
        self._base = bench.profile if profile is None else as_profile(profile)
        made = make_writer(writer)
        chosen = writer if isinstance(writer, str) else made.name
        self._writers: dict[str, Writer | str] = {name: name for name in WRITERS} | {chosen: made}
        self._entries: list[_Entry] = []
        self._current: _Entry | None = None
        self._stream: AnswerStream | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        self._run = 0
        profiles = dict.fromkeys([self._base.name, *list_profiles()])
        self.page = AskView(
            options={
                "writers": list(self._writers),
                "profiles": list(profiles),
                "words": sorted({*LENGTHS, words}),
                "exports": list(EXPORTS),
            },
            settings={
                "question": question,
                "writer": chosen,
                "profile": self._base.name,
                "words": words,
            },
            answer=NOTHING,
            progress=progress_content((), running=False),
            message=QUIET,
        )
        self.page.on_msg(self._hear)
        if question.strip():
            self._begin({})
            if chosen == "extractive":  # others take long: the page shows how far they are
                self.wait()

    def __repr__(self) -> str:
        return f"AskPanel({self.answer!r})" if self._live else "AskPanel(closed)"

    def ask(self, question: str, **settings: Any) -> Answer | None:
        """Ask, and wait for the answer; `writer`, `profile` (names) and `words` may be given too.
        None where it failed; the panel then says why."""
        before = self._current
        self._begin({"question": question, **settings})
        self.wait()
        return self.answer if self._current is not before else None

    def wait(self) -> None:
        """Until the answer that is under way is there, or stopped."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def stop(self) -> None:
        """End the answer under way; what is finished stays."""
        with self._lock:
            if self._stream is not None:
                self._stream.stop()

    def review(self, *, accept: Any = (), reject: Any = ()) -> None:
        """These verdicts, in the place of earlier ones; raises what `Workbench.review` raises."""
        with self._lock:
            entry = self._current
            if entry is None:
                return
            entry.answer = self.bench.review(
                entry.answer,
                accept=accept,
                reject=reject,
                writer=self._writers[entry.asked.writer],
                profile=entry.asked.profile,
            )
            self._show(entry)

    def code(self) -> str:
        """The cell that gives the answer on screen again; "" before the first."""
        with self._lock:
            entry = self._current
        if entry is None:
            return ""
        folder = getattr(self.bench.engine, "folder", None)
        return ask_code(entry.asked, entry.answer, folder, variable_of(self.bench))

    def close(self) -> None:
        """End what is under way, and take the panel off the page."""
        self.stop()
        super().close()

    @property
    def widget(self) -> AskView:
        """What the page shows."""
        return self.page

    def view(self) -> View:
        """The answer on screen."""
        with self._lock:
            answer = self.answer
        return View("no answer yet") if answer is None else answer.view()

    # From the page

    def _hear(self, _: Any, message: Mapping[str, Any], __: Any) -> None:
        answers: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "ask": self._begin,
            "stop": lambda _: self.stop(),
            "verdict": self._take_verdict,
            "open": self._open,
            "export": self._export,
            "code": lambda _: self.page.send({"type": "code", "code": self.code()}),
        }
        try:
            answers[message["type"]](message)
        except Exception as error:  # a callback must not end in a traceback under the panel
            self.page.message = {**QUIET, **error_content(error)}
        else:
            if message["type"] in ("verdict", "open"):
                self.page.message = QUIET

    def _begin(self, given: Mapping[str, Any]) -> None:
        """Start an answer; one that is under way ends."""
        self.stop()
        names = ("question", "writer", "profile", "words")
        new = {name: given[name] for name in names if name in given}
        self.page.settings = {**self.page.settings, **new}
        self.page.message = QUIET
        with self._lock:
            self._run += 1
            run = self._run
            self.page.progress = progress_content((), running=True)
            self._thread = threading.Thread(
                target=self._work, args=(run, dict(self.page.settings)), daemon=True
            )
        self._thread.start()

    def _work(self, run: int, settings: Mapping[str, Any]) -> None:
        """Make the answer; nothing is shown of one that another has followed."""
        trace: list[Any] = []
        try:
            name = settings["profile"]
            profile = self._base if name == self._base.name else Profile.named(name)
            asked = Asked(str(settings["question"]), settings["writer"], profile, settings["words"])
            stream = self.bench.ask(
                asked.question,
                stream=True,
                writer=self._writers[asked.writer],
                words=asked.words,
                profile=profile,
            )
            with self._lock:
                if run != self._run:
                    return
                self._stream = stream
            for event in stream:
                trace.append(event)
                if isinstance(event, _TELLING):
                    self._tell(run, trace, stream)
            with self._lock:
                if run == self._run:
                    self._finish(asked, stream.finish())
        except Exception as error:  # whatever a writer or a stage raises is told in the panel
            with self._lock:
                if run == self._run:
                    self.page.message = {**QUIET, **error_content(error)}
        finally:
            with self._lock:
                if run == self._run:
                    self._stream = None
                    self.page.progress = progress_content(trace, running=False)

    def _tell(self, run: int, trace: list[Any], stream: AnswerStream) -> None:
        with self._lock:
            if run != self._run:
                return
            self.page.progress = progress_content(trace, running=True)
            if isinstance(trace[-1], Outlined | Closed):
                self.page.answer = {"number": 0, **answer_content(stream.answer)}

    def _finish(self, asked: Asked, answer: Answer) -> None:
        if not answer.complete and not answer.sections:
            text = "Nothing was finished yet; what was there before is kept."
            self.page.message = {"kind": "note", "title": "Stopped.", "text": text}
            return
        entry = _Entry(self._entries[-1].number + 1 if self._entries else 1, asked, answer)
        self._entries = [*self._entries, entry][-KEPT:]
        self._show(entry)

    def _show(self, entry: _Entry) -> None:
        self._current, self.answer = entry, entry.answer
        self.page.answer = {"number": entry.number, **answer_content(entry.answer)}
        self.page.history = [
            {
                "number": one.number,
                "question": one.asked.question,
                "how": f"{one.asked.writer}, {one.asked.profile.name}, {one.asked.words} words",
            }
            for one in self._entries
        ]
        self.keep()

    def _take_verdict(self, message: Mapping[str, Any]) -> None:
        """One quote's verdict: "accepted", "rejected" or "" for none. Raises QueryError where its
        answer is no longer on screen: another has its own quotes."""
        with self._lock:
            if self.answer is None or self._current is None:
                return
            if message["answer"] != self._current.number:
                raise QueryError(
                    "another answer came up meanwhile; open the one of this quote again, and "
                    "repeat the verdict"
                )
            name = str(message["quote"])
            verdicts = {
                "accepted": [i for i in self.answer.accepted if i != name],
                "rejected": [q.id for q in self.answer.rejected if q.id != name],
            }
            if message["verdict"]:
                verdicts[message["verdict"]].append(name)
            self.review(accept=verdicts["accepted"], reject=verdicts["rejected"])

    def _open(self, message: Mapping[str, Any]) -> None:
        with self._lock:
            entry = next(e for e in self._entries if e.number == message["number"])
            asked = entry.asked
            self.page.settings = {
                "question": asked.question,
                "writer": asked.writer,
                "profile": asked.profile.name,
                "words": asked.words,
            }
            self._show(entry)

    def _export(self, message: Mapping[str, Any]) -> None:
        if self.answer is not None:
            write, name = EXPORTS[message["format"]]
            text = write(self.answer)
            self.page.send({"type": "export", "name": name, "text": text})
