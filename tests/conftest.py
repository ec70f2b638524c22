"""Fixtures that several test files share: real models, small corpora, paths of public data."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.servers.elasticsearch import ARCHIVE, Server
from workbench.models.embedders.onnx_embedder import OnnxEmbedder
from workbench.opening import open_corpus
from workbench.session import Workbench

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parent.parent
CHROMIUM_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

# No test fails because the machine is busy.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def need(found: bool, what: str, remedy: str) -> None:
    """Skip where a real part is missing; in CI (CI=true) its absence is a failure."""
    if found:
        return
    message = f"{what} is not here: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def shared(name: str) -> Path:
    """A file of the public data beside the project; the one place that knows where it is."""
    path = ROOT.parent / "shared" / name
    need(path.exists(), f"public data {path.name}", f"put it at {path}")
    return path


def server_archive() -> Path:
    """The distribution of the real Elasticsearch that tests start; needs Java."""
    need(shutil.which("java") is not None, "Java", "install openjdk-17-jre-headless")
    return shared(ARCHIVE)


@pytest.fixture(scope="session")
def elasticsearch_url() -> Iterator[str]:
    """A real server with one node for the whole session, or that of WORKBENCH_ES_URL."""
    given = os.environ.get("WORKBENCH_ES_URL")
    if given:
        yield given
        return
    server = Server(server_archive())
    try:
        yield server.start().url
    finally:
        server.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium for the whole session."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for found in map(shutil.which, names) if found), None)
    need(path is not None, "Chromium", "install it (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, as the package for playwright carries it."""
    found = importlib.util.find_spec("axe_playwright_python")
    need(found is not None, "axe-core", "pip install axe-playwright-python")
    assert found is not None
    assert found.origin is not None
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def _new_files() -> set[str]:
    """What git calls untracked in this checkout; nothing where it is none."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        return set()
    command = ["git", "status", "--porcelain", "--untracked-files=all"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return {line for line in done.stdout.splitlines() if line.startswith("??")}


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_in_the_checkout() -> Iterator[None]:
    """Tests write below tmp_path: after the last one the checkout has no file more."""
    before = _new_files()
    yield
    left = _new_files() - before
    assert not left, f"while the tests ran, the checkout got new files: {sorted(left)}"


LONG = ("browser", "test_notebooks.py", "elastic", "test_kill.py", "serve", "experiments",
        "studies", "qa", "corpus")  # fmt: skip
"""What takes longest, in parts of paths: it begins first, so that no process ends alone with it."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in the order of LONG, which `--no-loadscope-reorder` keeps."""

    def place(item: pytest.Item) -> int:
        parts = item.path.relative_to(ROOT).parts
        return next((n for n, name in enumerate(LONG) if name in parts), len(LONG))

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What shares a real server, or a model made once, runs in one process; any other file whole
    in some process."""
    from xdist.scheduler import LoadScopeScheduling

    class Shared(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            if "elastic" in nodeid and ("/engines/" in file or "/serve/" in file):
                return "elastic"
            return "models" if "/models/" in file else file

    return Shared(config, log)


def hear_ctrl_c() -> None:
    """For `preexec_fn`: a shell's background jobs ignore SIGINT, and hand that down."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """`shared_data("data/scifact")`: a path in the public data, or a skip that says why."""
    return shared


@pytest.fixture(scope="session")
def embedder() -> OnnxEmbedder:
    """The default model, loaded once for all tests."""
    return OnnxEmbedder()


@pytest.fixture(scope="session")
def landmarks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """The sample corpus, indexed once. Tests must not change it."""
    folder = tmp_path_factory.mktemp("landmarks")
    shutil.copy(ROOT / "data" / "landmarks" / "papers.jsonl", folder)
    with open_corpus(folder, progress=False) as bench:
        yield bench


@pytest.fixture
def write_jsonl(tmp_path: Path) -> Callable[..., Path]:
    """Write records, one JSON object a line, and return the file."""

    def write(records: list[dict[str, Any]], name: str = "papers.jsonl") -> Path:
        path = tmp_path / name
        lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        path.write_text("".join(lines), encoding="utf-8")
        return path

    return write


def paper_record(number: int, **fields: Any) -> dict[str, Any]:
    """A small valid record; `fields` replace or add."""
    topics = ("ranking functions", "dense vectors", "query expansion", "index compression")
    topic = topics[number % len(topics)]
    return {
        "id": f"p{number:03d}",
        "title": f"Study {number} of {topic}",
        "abstract": f"We examine {topic} in experiment {number}. The results are reported.",
        "authors": ["Ada Lovelace", f"Author Number{number}"],
        "year": 2000 + number % 25,
        "venue": "SIGIR" if number % 2 else "ACL",
        **fields,
    }
