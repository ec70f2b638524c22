"""schemathesis over the whole OpenAPI description: no 5xx, every answer as described.

`negative_data_rejection` is left out: it takes a query of signs for an invalid one, though it can
be searched. So is `positive_data_acceptance`: a 404 for an id and a 400 for a filter without data
are described answers.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.servers.service import Service

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance"
)


def test_every_answer_is_as_described(service: Service, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    command = [str(program), "run", f"{service.url}/openapi.json",
               "--checks", CHECKS, "--max-examples", "4", "--phases", "fuzzing",
               "--seed", "1", "--no-color"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170,
                          cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
