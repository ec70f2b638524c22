"""A writer that asks any server with the OpenAI protocol."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from workbench.errors import MissingDependency, WriterError
from workbench.profiles import llm_environment
from workbench.qa.records import Draft, Section, Sentence, Usage
from workbench.qa.writers.base import Task
from workbench.qa.writers.limits import Limits
from workbench.qa.writers.parse import parse_sentences
from workbench.qa.writers.prompt import messages

RETRIES = 3
"""Requests after the first for one section."""

FIRST_WAIT = 0.5
"""Seconds before the first repetition where the server names none; then twice as long each time."""

TICK = 0.05
"""Seconds between looks at whether somebody still waits."""

_PASSING = {408, 409, 425, 429}


class Server:
    """Chat completions of a model on a server: OpenAI, vLLM, llama.cpp, Ollama, LM Studio, others.

    `model`, `base_url` and `api_key` come from WORKBENCH_LLM_MODEL, WORKBENCH_LLM_URL and
    WORKBENCH_LLM_KEY where they are left out. A request takes at most `timeout` seconds, a section
    never longer than the answer's deadline. `prices` are for a million tokens in and out;
    `most_cost` and `requests_a_minute` limit all answers of this writer together. Safe to share
    between threads. Needs the package `openai`. Raises WriterError where no server or model is
    named.
    """

    def __init__(
        self,
        model: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 60.0,
        requests_a_minute: int | None = None,
        prices: tuple[float, float] = (0.0, 0.0),
        most_cost: float | None = None,
    ) -> None:
        known = llm_environment()
        self.model = model or known.get("model", "")
        self.base_url = base_url or known.get("url", "")
        self._key = api_key or known.get("key", "")
        if not self.model:
            raise WriterError("no model is named; give model=, or set WORKBENCH_LLM_MODEL")
        if not self.base_url:
            raise WriterError(
                "no server is named; give base_url=, or set WORKBENCH_LLM_URL "
                "(http://localhost:11434/v1 is Ollama's)"
            )
        if not timeout > 0:
            raise WriterError(f"timeout is {timeout!r}; give a number of seconds above 0")
        if requests_a_minute is not None and requests_a_minute < 1:
            raise WriterError(
                f"requests_a_minute is {requests_a_minute!r}; give 1 or more, or None"
            )
        self.timeout = timeout
        self.prices = prices
        self._limits = Limits(requests_a_minute, most_cost)
        self._client: Any = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Server({self.model!r}, {self.base_url!r})"

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model

    @property
    def fingerprint(self) -> str:
        """Server and model."""
        return f"server-{self.base_url}-{self.model}"

    @property
    def cost(self) -> float:
        """What all requests of this writer have cost."""
        return self._limits.spent

    def write(self, task: Task) -> Draft:
        """What the model wrote, read. Raises WriterError where the server fails or time is over."""
        answer, usage = self._ask(task)
        sentences = tuple(Sentence(text, ids, "none") for text, ids in parse_sentences(answer))
        return Draft(Section(task.plan.title, sentences, self.name), usage=usage)

    def _ask(self, task: Task) -> tuple[str, Usage]:
        """The model's words and what they took, after as many tries as there is time for."""
        chat = messages(task)
        options: list[dict[str, Any]] = [
            {"max_tokens": task.max_tokens, "temperature": task.temperature},
            {"max_completion_tokens": task.max_tokens},  # for servers that refuse the others
        ]
        used = Usage()
        wait, problem = FIRST_WAIT, ""
        for _ in range(1 + RETRIES):
            self._limits.wait(task.seconds_left, task.stop)
            reply = self._request(task, chat, options[0])
            used = used + reply.usage
            if reply.text.strip():
                return reply.text, used
            problem = reply.problem or "an empty answer"
            if reply.status == 400 and len(options) > 1:
                options.pop(0)
                continue
            if reply.final:
                break
            pause = reply.retry_after if reply.retry_after is not None else wait
            wait *= 2
            if pause >= task.seconds_left:
                problem += f"; the next try is in {pause:.3g} s, the deadline earlier"
                break
            if task.stop.wait(pause):
                break
        raise WriterError(f"{self.base_url}: {self._safe(problem)}")

    def _request(
        self, task: Task, chat: list[dict[str, str]], options: Mapping[str, Any]
    ) -> _Reply:
        """One request, in a thread of its own: a server that stalls holds up nobody."""
        seconds = min(self.timeout, task.seconds_left)
        if seconds <= 0 or task.stop.is_set():
            return _Reply(problem="no time is left", final=True)
        estimate = self._price(sum(len(m["content"]) for m in chat) // 3, task.max_tokens)
        self._limits.reserve(estimate)
        replies: list[_Reply] = []
        client = self._open()

        def run() -> None:
            replies.append(_completion(client, self.model, chat, options, seconds))

        thread = threading.Thread(target=run, daemon=True, name="workbench-writer")
        thread.start()
        end = time.monotonic() + seconds
        while thread.is_alive() and time.monotonic() < end and not task.stop.is_set():
            thread.join(TICK)
        reply = replies[0] if replies else _Reply(problem=f"no answer within {seconds:.3g} s")
        tokens = reply.usage
        cost = self._price(tokens.tokens_in, tokens.tokens_out)
        self._limits.settle(estimate, cost)
        return reply.costing(cost)

    def _price(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.prices[0] + tokens_out * self.prices[1]) / 1e6

    def _open(self) -> Any:
        """The client, made at the first request."""
        with self._lock:
            if self._client is None:
                try:
                    from openai import OpenAI
                except ImportError as error:
                    raise MissingDependency(
                        "a writer on a server needs the package openai; "
                        "pip install 'paper-search-workbench[openai]'"
                    ) from error
                # Servers on this machine want a key too, and take any.
                self._client = OpenAI(
                    base_url=self.base_url, api_key=self._key or "none", max_retries=0
                )
            return self._client

    def _safe(self, text: str) -> str:
        """Short, in one line, without the key, which servers like to repeat."""
        plain = " ".join(text.split())
        return (plain.replace(self._key, "***") if self._key else plain)[:300]


class _Reply:
    """What came back: a text, or a problem and whether trying again may help."""

    def __init__(
        self,
        text: str = "",
        problem: str = "",
        *,
        status: int = 0,
        retry_after: float | None = None,
        final: bool = False,
        usage: Usage | None = None,
    ) -> None:
        self.text, self.problem, self.status = text, problem, status
        self.retry_after, self.final = retry_after, final
        self.usage = usage or Usage(requests=1)

    def costing(self, cost: float) -> _Reply:
        """The same with its cost."""
        self.usage = self.usage + Usage(cost=cost)
        return self


def _completion(
    client: Any, model: str, chat: list[dict[str, str]], options: Mapping[str, Any], seconds: float
) -> _Reply:
    """One request through the client; every failure is a reply."""
    import openai

    try:
        made = client.chat.completions.create(
            model=model, messages=chat, timeout=seconds, **options
        )
        return _read(made)
    except openai.APIStatusError as error:
        status = error.status_code
        return _Reply(
            problem=f"HTTP {status}: {error.message}",
            status=status,
            retry_after=_seconds(error.response.headers.get("retry-after")),
            final=status < 500 and status not in _PASSING,
        )
    except openai.APITimeoutError:
        return _Reply(problem=f"no answer within {seconds:.3g} s")
    except Exception as error:  # a broken body raises whatever its parser raises
        return _Reply(problem=f"{type(error).__name__}: {error}")


def _read(made: Any) -> _Reply:
    """The text of a completion; what a server leaves out is nothing."""
    choices = getattr(made, "choices", None) or []
    message = getattr(choices[0], "message", None) if choices else None
    text = getattr(message, "content", None)
    counted = getattr(made, "usage", None)
    usage = Usage(
        requests=1,
        tokens_in=_whole(getattr(counted, "prompt_tokens", 0)),
        tokens_out=_whole(getattr(counted, "completion_tokens", 0)),
    )
    return _Reply(text if isinstance(text, str) else "", usage=usage)


def _whole(value: Any) -> int:
    return max(0, value) if isinstance(value, int) and not isinstance(value, bool) else 0


def _seconds(header: str | None) -> float | None:
    """Retry-After in seconds, also where it is a date; None where it says nothing."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
