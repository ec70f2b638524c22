"""A writer that asks any server with the OpenAI protocol."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from workbench.errors import MissingDependency, WriterError, shown
from workbench.profiles import llm_environment
from workbench.qa.records import Draft, Section, Sentence, Usage
from workbench.qa.writers.base import Task
from workbench.qa.writers.limits import Limits
from workbench.qa.writers.parse import parse_sentences
from workbench.qa.writers.prompt import messages

if TYPE_CHECKING:
    import ssl

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
        if not self.model or not isinstance(self.model, str):
            raise WriterError("no model is named; give model=, or set WORKBENCH_LLM_MODEL")
        if not self.base_url:
            raise WriterError(
                "no server is named; give base_url=, or set WORKBENCH_LLM_URL "
                "(http://localhost:11434/v1 is Ollama's)"
            )
        if not _is_address(self.base_url):
            raise WriterError(
                f"base_url is {shown(self.base_url)}; give an address like "
                "http://localhost:11434/v1"
            )
        if not _is_number(timeout) or not timeout > 0:
            raise WriterError(f"timeout is {shown(timeout)}; give a number of seconds above 0")
        whole = isinstance(requests_a_minute, int) and _is_number(requests_a_minute)
        if requests_a_minute is not None and not (whole and requests_a_minute >= 1):
            raise WriterError(
                f"requests_a_minute is {shown(requests_a_minute)}; give 1 or more, or None"
            )
        pair = isinstance(prices, tuple | list) and len(prices) == 2
        if not pair or not all(_is_number(price) and price >= 0 for price in prices):
            raise WriterError(
                f"prices are {shown(prices)}; give two, for a million tokens in and out, from 0 up"
            )
        if most_cost is not None and not (_is_number(most_cost) and most_cost >= 0):
            raise WriterError(f"most_cost is {shown(most_cost)}; give 0 or more, or None")
        self.timeout = timeout
        self.prices = prices[0], prices[1]
        self._limits = Limits(requests_a_minute, most_cost)

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
        """What the model wrote, read. Raises WriterError where the server fails or time is over,
        MissingDependency where the package openai is not there."""
        if find_spec("openai") is None:
            raise MissingDependency(
                "a writer on a server needs the package openai; "
                "pip install 'paper-search-workbench[openai]'"
            )
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
        """One request, in a thread and an event loop of its own: a server that stalls holds up
        nobody, and when nobody waits any more its connection is closed at once."""
        seconds = min(self.timeout, task.seconds_left)
        if seconds <= 0 or task.stop.is_set():
            return _Reply(problem="no time is left", final=True)
        estimate = self._price(sum(len(m["content"]) for m in chat) // 3, task.max_tokens)
        self._limits.reserve(estimate)
        wanted = {"model": self.model, "messages": chat, **options}
        cost = 0.0
        try:
            reply = _Call(self.base_url, self._key, wanted, seconds, task.stop).reply()
            cost = self._price(reply.usage.tokens_in, reply.usage.tokens_out)
        finally:  # also after Ctrl-C
            self._limits.settle(estimate, cost)
        return reply.costing(cost)

    def _price(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.prices[0] + tokens_out * self.prices[1]) / 1e6

    def _safe(self, text: str) -> str:
        """Short, in one line, without the key, which servers like to repeat."""
        plain = " ".join(text.split())
        return (plain.replace(self._key, "***") if self._key else plain)[:300]


def _is_address(url: object) -> bool:
    """Whether something can be the address of a server."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(str(url))
        port = parts.port  # raises for one out of range
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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


class _Call:
    """A request under way. It ends when it is answered, at the end of its time, when `stop` is set,
    and when whoever waits for it is interrupted; its connection never outlives it."""

    def __init__(
        self,
        base_url: str,
        key: str,
        wanted: Mapping[str, Any],
        seconds: float,
        stop: threading.Event,
    ) -> None:
        self._base_url, self._key, self._wanted = base_url, key, wanted
        self._seconds, self._stop = seconds, stop
        self._end = time.monotonic() + seconds
        self._left = threading.Event()
        self._answered = threading.Event()
        self._reply = _Reply(problem=f"no answer within {seconds:.3g} s")

    def reply(self) -> _Reply:
        """The reply, or that there was none in time."""
        thread = threading.Thread(target=self._run, daemon=True, name="workbench-writer")
        thread.start()
        try:
            while self._waited_for() and not self._answered.wait(TICK):
                pass
        finally:  # also after Ctrl-C
            self._left.set()
        return self._reply

    def _waited_for(self) -> bool:
        ended = self._left.is_set() or self._stop.is_set()
        return not ended and time.monotonic() < self._end

    def _run(self) -> None:
        import asyncio

        try:
            asyncio.run(self._complete())
        except Exception as error:  # an address that is none, no descriptors left
            self._reply = _failure(error)
            self._answered.set()

    async def _complete(self) -> None:
        import asyncio

        import openai

        client = openai.AsyncOpenAI(
            base_url=self._base_url,
            api_key=self._key or "none",  # servers on this machine want one too, and take any
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(verify=_tls()),
        )
        async with client:
            asking = asyncio.ensure_future(_completion(client, self._wanted, self._seconds))
            while self._waited_for() and not asking.done():
                await asyncio.wait([asking], timeout=TICK)
            if asking.done():
                self._reply = asking.result()
                self._answered.set()
            asking.cancel()


@cache
def _tls() -> ssl.SSLContext:
    """The known certificates, which take longer to read than a server on this machine to answer."""
    import httpx

    return httpx.create_ssl_context()


async def _completion(client: Any, wanted: Mapping[str, Any], seconds: float) -> _Reply:
    """One request through the client; every failure is a reply."""
    import openai

    try:
        return _read(await client.chat.completions.create(timeout=seconds, **wanted))
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
        return _failure(error)


def _failure(error: Exception) -> _Reply:
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
