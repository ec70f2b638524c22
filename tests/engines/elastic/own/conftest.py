"""The sample corpus on a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

import workbench as wb
from workbench.engines.elastic.own.corpus import ElasticCorpus


@pytest.fixture(scope="session")
def spec(elasticsearch_url: str, landmarks: wb.Workbench) -> Iterator[wb.Elasticsearch]:
    """The sample corpus on the cluster."""
    made = wb.Elasticsearch(elasticsearch_url, index=f"r-{uuid4().hex[:8]}", replicas=0, timeout=60)
    corpus = ElasticCorpus(made)
    corpus.mirror(landmarks.folder)
    yield made
    corpus.remove()
    corpus.connection.close()
