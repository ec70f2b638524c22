"""Caches: whatever Redis does, answers are the corpus's."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from tests.conftest import need
from tests.serve.test_gate import asked, made, run_loop
from tests.servers.redis import pretender, redis_server
from workbench.ranking.ranking import Ranking
from workbench.serve.caching.memory import Kept
from workbench.serve.caching.packed import pack, unpack
from workbench.serve.caching.redis import RedisCache
from workbench.session import Workbench

pytestmark = pytest.mark.usefixtures("one_model")

PATH = "/graph/v1/snippet/search?query=late+interaction&limit=5"
PAPERS = "/graph/v1/paper/search?query=late+interaction&limit=5"


def answers(bench: Workbench, cache: str = "") -> list[bytes]:
    gate, service = made(bench, cache=cache)
    found: list[httpx.Response] = run_loop(asked(gate, PATH)) + run_loop(asked(gate, PAPERS))
    service.close()
    return [answer.content for answer in found]


@pytest.fixture(scope="module")
def right(landmarks: Workbench) -> list[bytes]:
    """What is answered without a Redis."""
    return answers(landmarks)


def test_values_go_by_number_and_size() -> None:
    kept: Kept[bytes] = Kept(3, 10, len)
    for name in "abcd":
        kept.put(name, b"12")
    assert kept.get("a") is None
    assert kept.get("b") == b"12"
    kept.put("e", b"1234567")
    assert kept.get("e") == b"1234567"
    assert len(kept) == 2
    kept.put("f", b"x" * 11)
    assert kept.get("f") is None


def test_candidates_come_back_as_they_were(landmarks: Workbench) -> None:
    ranking = landmarks.search("late interaction")
    again = unpack(pack(ranking))
    assert again is not None
    assert again.notes == ranking.notes
    np.testing.assert_array_equal(again.candidates.values, ranking.candidates.values)
    assert Ranking(again, ranking.profile, ranking.engine, 10).hits == ranking.hits


def test_workers_share_a_redis(
    landmarks: Workbench, right: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    need(shutil.which("redis-server") is not None, "Redis", "install redis-server")
    with redis_server() as (url, process):
        assert answers(landmarks, url) == right
        cache = RedisCache(url)

        def stored() -> int:
            return int(cache._redis.dbsize())

        assert stored() >= 2  # closing a service lets what it puts arrive
        with monkeypatch.context() as patch:  # another worker computes nothing
            patch.setattr(Workbench, "search", None)
            assert answers(landmarks, url) == right
        process.kill()
        process.wait()
        assert answers(landmarks, url) == right
        cache.close()


@pytest.mark.parametrize(
    "answer",
    [
        lambda command: None,
        lambda command: b"$5\r\nwrong\r\n",
        lambda command: b"$40\r\n" + b"x" * 40 + b"\r\n",
        lambda command: b"-LOADING Redis is loading\r\n",
        lambda command: b"HTTP/1.1 400 Bad Request\r\n\r\n",
        lambda command: b"*-7\r\n:9\r\n",
    ],
    ids=["hangs", "wrong", "made-up", "refuses", "http", "nonsense"],
)
def test_a_redis_that_is_none_changes_no_answer(
    landmarks: Workbench, right: list[bytes], answer: Callable[[bytes], bytes | None]
) -> None:
    with pretender(answer) as url:
        assert answers(landmarks, url) == right


def test_a_hanging_redis_is_left_alone() -> None:
    commands: list[bytes] = []

    def hang(command: bytes) -> None:
        commands.append(command)

    with pretender(hang) as url:
        cache = RedisCache(url)
        assert [cache.get(f"name{n}") for n in range(50)] == [None] * 50
        assert cache.away
        assert cache.failures >= 1
        assert len(commands) < 5
        cache.close()
