"""What answers and bodies look like, for `/openapi.json`: made of their models when somebody asks.

Routes do not name the models: FastAPI would make a validator of each answer, two hundred in each
worker before it is ready, and nothing is validated at run time.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from workbench.serve.graph.datasets import DATASETS
from workbench.serve.graph.paths import PATHS
from workbench.serve.graph.schemas import FAULTS

JSON = "application/json"


class Described(FastAPI):
    """An application whose description has the schemas of the API's bodies."""

    def openapi(self) -> dict[str, Any]:
        """The description, made on the first call."""
        if self.openapi_schema is None:
            _add_bodies(super().openapi())
        assert self.openapi_schema is not None
        return self.openapi_schema


def _add_bodies(description: dict[str, Any]) -> None:
    paths = {path.path.replace(":path}", "}"): path for path in (*PATHS, *DATASETS)}
    kinds = [path.answer for path in paths.values()]
    kinds += [path.body for path in paths.values() if path.body is not None]
    kinds += [kind for kind, _ in FAULTS.values()]
    named = {repr(kind): TypeAdapter(kind) for kind in kinds}
    schemas, shared = TypeAdapter.json_schemas(
        [(name, "validation", adapter) for name, adapter in named.items()],
        ref_template="#/components/schemas/{model}",
    )
    description.setdefault("components", {})["schemas"] = shared["$defs"]

    def content(kind: Any) -> dict[str, Any]:
        return {JSON: {"schema": schemas[repr(kind), "validation"]}}

    for name, methods in description["paths"].items():
        for operation in methods.values():
            for code, (kind, _) in FAULTS.items():
                operation["responses"][str(code)]["content"] = content(kind)
            if name in paths:
                path = paths[name]
                operation["responses"]["200"]["content"] = content(path.answer)
                if path.body is not None:
                    body = {"required": True, "content": content(path.body)}
                    operation["requestBody"] = body
