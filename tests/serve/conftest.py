"""One service over the sample corpus for all tests of its answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers.service import Service, serving
from tests.waiting import HANG
from workbench.session import Workbench


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where services keep their look-ups in tests; models come from the person's own cache."""
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="session")
def service(landmarks: Workbench) -> Iterator[Service]:
    """The sample corpus, served by two workers."""
    with serving(str(landmarks.folder), "--workers", "2", "--preload") as running:
        yield running


@pytest.fixture(scope="session")
def client(service: Service) -> Iterator[httpx.Client]:
    """A plain HTTP client of it."""
    with httpx.Client(base_url=service.url, timeout=HANG) as client:
        yield client


@pytest.fixture
def one_model(landmarks: Workbench) -> Iterator[None]:
    """Services in this process share the model that the sample corpus was opened with: loading it
    anew takes longer than all else that such a test does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.opening.embedder_for", lambda *_, **__: landmarks.embedder)
        yield
