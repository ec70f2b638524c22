"""What a service does not load, so that it is ready soon and its workers are small."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from workbench.serve import supervisor
from workbench.serve.app import make_app
from workbench.serve.options import ServeOptions
gate, service = make_app(ServeOptions(folder="nowhere"))
print(*sys.modules)
"""
UNWANTED = (
    "workbench.evaluation", "workbench.experiments", "workbench.session", "onnxruntime",
    "tokenizers", "elasticsearch", "pandas", "torch", "websockets", "pydantic.v1",
)  # fmt: skip


def test_what_is_not_needed_before_a_request_is_not_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, stdout=subprocess.PIPE, text=True
    )
    loaded = done.stdout.split()
    assert "workbench.searching" in loaded
    found = {name for name in loaded if name.startswith(UNWANTED)}
    assert found == set()
