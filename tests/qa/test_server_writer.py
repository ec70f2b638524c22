"""A language model over real HTTP: one that writes well, and every way to misbehave."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import workbench as wb
from tests.servers.llm import Body, Call, chat_server
from workbench.errors import WriterError
from workbench.qa.support import problem_of
from workbench.qa.writers.parse import MOST, parse_sentences
from workbench.qa.writers.server import RETRIES, Server
from workbench.session import Workbench

QUESTION = "How do late-interaction models keep their index small?"
Behave = Callable[[Call, Body, int], None]


def quotes_of(body: Body) -> list[tuple[str, str]]:
    """The quotes that a request offers: what a good model would read."""
    text = body["messages"][1]["content"]
    return re.findall(r"^\[(q\d+)\] \(.*?\) (.*)$", text, flags=re.MULTILINE)


def told(body: Body, change: Callable[[str], str] = lambda text: text) -> str:
    """What a model writes that repeats each quote, changed."""
    sentences = [{"text": change(text), "quotes": [name]} for name, text in quotes_of(body)]
    return json.dumps({"sentences": sentences})


def reworded(text: str) -> str:
    """The same without its last word: no longer verbatim, still carried."""
    return "In short, " + " ".join(text.rstrip(".").split()[:-1]) + "."


def good(call: Call, body: Body, number: int) -> None:
    call.say(told(body, reworded))


def refuses_options(call: Call, body: Body, number: int) -> None:
    if "temperature" in body:
        call.send(400, {"error": {"message": "unsupported: response schema, temperature"}})
    else:
        good(call, body, number)


def thinks(call: Call, body: Body, number: int) -> None:
    lie = '{"sentences": [{"text": "Everything is solved by magic.", "quotes": ["q1"]}]}'
    call.say(f"<think>{lie}</think>\n```json\n{told(body, reworded)}\n```")


def leaks_its_thinking(call: Call, body: Body, number: int) -> None:
    call.say(f"Let me see, {{no json}}.\n</think>{told(body, reworded)}")


def is_cut_off(call: Call, body: Body, number: int) -> None:
    whole = told(body, reworded)
    call.say(whole[: len(whole) - 30], finish="length")


def writes_prose(call: Call, body: Body, number: int) -> None:
    call.say(" ".join(f"{reworded(text)} [{name[1:]}]" for name, text in quotes_of(body)))


def repeats_itself(call: Call, body: Body, number: int) -> None:
    name, text = quotes_of(body)[0]
    one = {"text": reworded(text), "quotes": [name]}
    call.say(json.dumps({"sentences": [one] * 500}))


def asks_to_wait(call: Call, body: Body, number: int) -> None:
    if number <= 1:
        call.send(429, {"error": {"message": "slow down"}}, {"retry-after": "0.2"})
    else:
        good(call, body, number)


def stumbles(call: Call, body: Body, number: int) -> None:
    if number <= 1:
        call.send(500, b"<html>oops</html>")
    else:
        good(call, body, number)


@pytest.mark.parametrize(
    "behave",
    [
        good,
        refuses_options,
        thinks,
        leaks_its_thinking,
        is_cut_off,
        writes_prose,
        repeats_itself,
        asks_to_wait,
        stumbles,
    ],
    ids=lambda behave: behave.__name__,
)
def test_what_can_be_read_is_used_and_is_carried(landmarks: Workbench, behave: Behave) -> None:
    with chat_server(behave) as server:
        writer = Server("m", server.url, "secret-key")
        answer = landmarks.ask(QUESTION, writer=writer)
    assert sound(landmarks, answer)
    written = [s for s in answer.sections if s.writer == "m"]
    assert written, answer.notes
    assert all(s.sentences for s in answer.sections)
    texts = [t.text for s in answer.sections for t in s.sentences]
    assert len(set(texts)) == len(texts)
    assert "magic" not in str(answer)
    assert answer.usage["sections"].tokens_in >= 1000


def sound(bench: Workbench, answer: wb.Answer) -> bool:
    """Whether every sentence is carried and every quote real."""
    for section in answer.sections:
        for sentence in section.sentences:
            quotes = [answer.quote(name).text for name in sentence.citations]
            assert sentence.support in ("verbatim", "full")
            assert sentence.support == "verbatim" or not problem_of(
                sentence.text, quotes, answer.question
            )
    assert answer.check(bench.engine) == []
    return bool(answer.sections)


def empty(call: Call, body: Body, number: int) -> None:
    call.say("")


def nothing_at_all(call: Call, body: Body, number: int) -> None:
    call.send(200, {"id": "x", "choices": None})


def no_json(call: Call, body: Body, number: int) -> None:
    call.send(200, b"{broken")


def always_500(call: Call, body: Body, number: int) -> None:
    call.send(503, {"error": {"message": "down"}})


def bad_key(call: Call, body: Body, number: int) -> None:
    call.send(401, {"error": {"message": "Incorrect API key provided: secret-key"}})


def waits_long(call: Call, body: Body, number: int) -> None:
    call.send(429, {"error": {"message": "quota"}}, {"retry-after": "300"})


def stalls(call: Call, body: Body, number: int) -> None:
    call.send_response(200)
    call.send_header("content-type", "application/json")
    call.send_header("content-length", "5000")
    call.end_headers()
    call.wfile.write(b'{"id": "x", ')
    call.wfile.flush()
    assert call.connection.recv(1) == b""  # until the client closes the connection
    call.server.left.put(number)


def drips(call: Call, body: Body, number: int) -> None:
    call.send_response(200)
    call.send_header("content-length", "100000")
    call.end_headers()
    while not call.server.over.wait(0.1):
        call.wfile.write(b" ")
        call.wfile.flush()


def hangs_up(call: Call, body: Body, number: int) -> None:
    call.close_connection = True
    call.connection.close()


def invents_ids(call: Call, body: Body, number: int) -> None:
    call.say(told(body, reworded).replace('["q', '["q99'))


def wanders_off(call: Call, body: Body, number: int) -> None:
    name, _ = quotes_of(body)[0]
    lies = ["Cats sleep on warm mats all day.", "The gain is 123.4 percent.", "NASA did it."]
    call.say(json.dumps({"sentences": [{"text": lie, "quotes": [name]} for lie in lies]}))


def turns_it_round(call: Call, body: Body, number: int) -> None:
    call.say(told(body, lambda text: "It is never so that " + reworded(text)))


@pytest.mark.parametrize(
    ("behave", "note"),
    [
        (empty, "empty answer"),
        (nothing_at_all, "empty answer"),
        (no_json, "secret-free"),
        (always_500, "HTTP 503"),
        (bad_key, "HTTP 401"),
        (waits_long, "300 s"),
        (stalls, "no answer within"),
        (drips, "no answer within"),
        (hangs_up, "secret-free"),
        (invents_ids, "carried by its quotes"),
        (wanders_off, "carried by its quotes"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_where_nothing_can_be_used_the_quotes_stand_and_it_says_so(
    landmarks: Workbench, behave: Behave, note: str
) -> None:
    with chat_server(behave) as server:
        writer = Server("m", server.url, "secret-key")
        answer = landmarks.ask(QUESTION, writer=writer, seconds=2)
        if behave in (stalls, drips):  # whom nobody waits for is left at once
            server.left.get(timeout=60)
    assert sound(landmarks, answer)
    assert {section.writer for section in answer.sections} == {"extractive"}
    assert answer.notes
    assert all("secret-key" not in text for text in answer.notes)
    if note != "secret-free":
        assert any(note in text for text in answer.notes), answer.notes
    assert len(server.bodies) <= (1 + RETRIES) * len(answer.sections)


def test_stop_closes_the_connection(landmarks: Workbench) -> None:
    with chat_server(stalls) as server:
        stream = landmarks.ask(QUESTION, writer=Server("m", server.url), words=30, stream=True)
        thread = threading.Thread(target=stream.finish)
        thread.start()
        number = server.asked.get(timeout=60)
        stream.stop()
        thread.join(60)
        assert not thread.is_alive()
        assert server.left.get(timeout=60) == number
    assert stream.answer.quotes
    assert not stream.answer.complete


def test_a_not_that_no_quote_has_is_dropped_or_marked(landmarks: Workbench) -> None:
    with chat_server(turns_it_round) as server:
        answer = landmarks.ask(QUESTION, writer=Server("m", server.url))
        assert sound(landmarks, answer)
    reasons = answer.audit().reasons
    assert any("says \u201cnot\u201d" in reason for reason in reasons)

    def half(call: Call, body: Body, number: int) -> None:
        name, text = quotes_of(body)[0]
        lie = {"text": "Cats sleep on warm mats all day.", "quotes": [name]}
        call.say(json.dumps([{"text": reworded(text), "quotes": [name]}, lie]))

    with chat_server(half) as server:
        writer = Server("m", server.url)
        answer = landmarks.ask(QUESTION, writer=writer, unsupported="mark")
    marked = [s for section in answer.sections for s in section.sentences if s.support == "none"]
    assert marked
    assert 'class="wb-doubt"' in answer._repr_html_()
    assert "~~Cats sleep" in answer.to_markdown()
    assert answer.audit().unsupported == len(marked)


def test_profile_and_limits_reach_the_server(landmarks: Workbench) -> None:
    profile = landmarks.profile.replace(max_tokens=77, temperature=1.5, workers=1)
    with chat_server(good) as server:
        writer = Server("m", server.url, prices=(10.0, 20.0), most_cost=0.013)
        answer = landmarks.ask(QUESTION, writer=writer, profile=profile, words=600)
        assert {(b["max_tokens"], b["temperature"]) for b in server.bodies} == {(77, 1.5)}
        # A request costs 1000 * 10 + 100 * 20 in millionths: the second would pass the limit.
        assert len(server.bodies) == 1
        assert writer.cost == answer.usage["sections"].cost == pytest.approx(0.012)
        assert any("most_cost" in note for note in answer.notes)
    with chat_server(good) as server:
        limited = Server("m", server.url, requests_a_minute=2)
        answer = landmarks.ask(QUESTION, writer=limited, profile=profile, words=600, seconds=5)
        assert len(server.bodies) == 2
        assert any("requests a minute" in note for note in answer.notes)


def test_a_server_that_is_not_there_changes_nothing_but_the_words(landmarks: Workbench) -> None:
    with chat_server(good) as server:
        url = server.url
    answer = landmarks.ask(QUESTION, writer=Server("m", url), seconds=3)
    assert sound(landmarks, answer)
    assert {section.writer for section in answer.sections} == {"extractive"}


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORKBENCH_LLM_URL", "WORKBENCH_LLM_MODEL", "OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(WriterError, match="WORKBENCH_LLM_MODEL"):
        Server()
    with pytest.raises(WriterError, match="WORKBENCH_LLM_URL"):
        Server("m")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("WORKBENCH_LLM_MODEL", "mine")
    monkeypatch.setenv("WORKBENCH_LLM_KEY", "secret-key")
    writer = Server()
    assert (writer.model, writer.base_url) == ("mine", "http://127.0.0.1:1/v1")
    assert "secret" not in repr(writer) + writer.fingerprint
    urls = ("nowhere", "http://", "http://[", "ftp://127.0.0.1/v1", "http://127.0.0.1:99999", "//h")
    for bad in ({"timeout": 0}, {"requests_a_minute": 0}, *({"base_url": url} for url in urls)):
        with pytest.raises(WriterError, match="give"):
            Server(**bad)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"sentences": [{"text": "A b.", "quotes": ["q1"]}]}', [("A b.", ("q1",))]),
        ('[{"sentence": "A b.", "citations": [1, "[q2]"]}]', [("A b.", ("q1", "q2"))]),
        ('Sure! {"answer": {"text": "A b. [q3]"}} Bye.', [("A b.", ("q3",))]),
        ('{"sentences": [{"text": "A b.", "quotes": ["q1"]}, {"te', [("A b.", ("q1",))]),
        ("A is b [q1, q2]. C is d. [3]", [("A is b.", ("q1", "q2")), ("C is d.", ("q3",))]),
        ('{"text": "A\nb.", "quotes": "q7"}', [("A b.", ("q7",))]),
        ("<think>never closed A b. [q1]", []),
        ("", []),
        ("[" * 5000, []),
    ],
)
def test_what_models_write_is_read(answer: str, expected: Any) -> None:
    assert parse_sentences(answer) == expected


def test_endless_text_is_cut() -> None:
    assert len(parse_sentences(" ".join(f"Sentence {n} is here [q1]." for n in range(500)))) == MOST


def test_the_command_uses_the_server_of_the_environment(landmarks: Workbench) -> None:
    with chat_server(good) as server:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "workbench",
                "ask",
                str(landmarks.folder),
                QUESTION,
                "--json",
                "--writer",
                "openai",
            ],
            env={
                **os.environ,
                "WORKBENCH_LLM_URL": server.url,
                "WORKBENCH_LLM_MODEL": "m",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["writer"] == "m"
