"""Settings of a connection that come from outside."""

from __future__ import annotations

import json
from typing import Any

import pytest

import workbench as wb
from workbench.engines.elastic.wire.connection import Connection


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "no cluster is named"),
        ({"WORKBENCH_ES_URL": "ftp://x"}, "give one like http"),
        ({"WORKBENCH_ES_URL": "http://u:p4ss@x:1"}, "holds credentials"),
        (
            {"WORKBENCH_ES_URL": "http://x", "WORKBENCH_ES_API_KEY": "a", "WORKBENCH_ES_USER": "b"},
            "give one",
        ),
        ({"WORKBENCH_ES_CREDENTIALS": "/nowhere.toml"}, "not a readable TOML file"),
    ],
)
def test_settings_from_outside_are_checked(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], named: str
) -> None:
    monkeypatch.delenv("WORKBENCH_ES_URL", raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(wb.WorkbenchError, match=named) as caught:
        Connection(wb.Elasticsearch())
    assert "p4ss" not in str(caught.value)


def test_a_secrets_file_with_an_error_is_not_quoted(tmp_path: Any) -> None:
    file = tmp_path / "elastic.toml"
    file.write_text('api_key = "s3cret\n')
    with pytest.raises(wb.WorkbenchError) as caught:
        Connection(wb.Elasticsearch("http://x:1", credentials=str(file)))
    assert "s3cret" not in str(caught.value)
    file.write_text(json.dumps({"x": 1}).replace(":", "=").strip("{}").replace('"', ""))
    with pytest.raises(wb.WorkbenchError, match="x is not a text of these"):
        Connection(wb.Elasticsearch("http://x:1", credentials=str(file)))
