"""Somebody else's index: what its mapping offers, and everything that is missing, named at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.engines.elastic.queries import VectorArm
from workbench.engines.elastic.spec import Elasticsearch
from workbench.engines.elastic.wire.connection import Connection
from workbench.errors import CorpusMismatch

SIMILARITIES = ("cosine", "dot_product", "l2_norm", "max_inner_product")
_TEXT = {"text", "match_only_text", "search_as_you_type"}
_IDS = {"keyword", "constant_keyword", "wildcard", "long", "integer", "short", "byte", "version"}


@dataclass(frozen=True, slots=True)
class ForeignIndex:
    """One index and the fields that are searched. `id_field` "" means Elasticsearch's `_id`."""

    name: str
    uuid: str
    text_fields: Mapping[str, float]
    title_field: str
    id_field: str
    paper_field: str
    dimension: int
    similarity: str
    vectors: VectorArm | None
    fields: frozenset[str]

    @property
    def shown_fields(self) -> list[str]:
        """Text fields that are no title, in the order given: what a passage's text is made of."""
        return [name for name in self.text_fields if name != self.title_field]


def foreign_index(connection: Connection) -> ForeignIndex:
    """The index of a spec, checked against its mapping. Raises CorpusMismatch that names every
    field that is missing or of the wrong type, CorpusNotFound without an index."""
    spec = connection.spec
    found = connection.call("GET", f"/{spec.index}")
    if len(found) > 1:
        raise CorpusMismatch(
            f"{connection.where}: an alias over several indices ({', '.join(sorted(found))}); "
            "name one of them"
        )
    [(name, body)] = found.items()
    fields = dict(_flat(body.get("mappings", {}).get("properties", {})))
    problems = [*_text_problems(spec, fields), *_id_problems(spec, fields)]
    problems += _vector_problems(spec, fields)
    if problems:
        raise CorpusMismatch(
            f"{connection.where}: {'; '.join(problems)}. Its fields are "
            f"{', '.join(sorted(fields)) or 'none'}"
        )
    connection.several_shards = int(body["settings"]["index"]["number_of_shards"]) > 1
    vector = fields.get(spec.vector_field, {})
    kind = str(vector.get("index_options", {}).get("type", "hnsw"))
    return ForeignIndex(
        name=name,
        uuid=str(body["settings"]["index"]["uuid"]),
        text_fields=spec.text_fields,
        title_field=next((f for f in spec.text_fields if "title" in f.lower()), ""),
        id_field=spec.id_field,
        paper_field=spec.paper_field,
        dimension=int(vector.get("dims", 0)),
        similarity=str(vector.get("similarity", "cosine")),
        vectors=VectorArm(spec.vector_field, kind, spec.oversample) if vector else None,
        fields=frozenset(fields),
    )


def cosine(score: float, similarity: str) -> float:
    """The cosine of unit vectors from Elasticsearch's score, which is never negative."""
    if similarity == "l2_norm":  # 1 / (1 + d^2), and d^2 = 2 - 2 cos
        return 1 - (1 / score - 1) / 2
    if similarity == "max_inner_product":
        return score - 1 if score >= 1 else 1 - 1 / score
    return 2 * score - 1


def _flat(properties: Mapping[str, Any], before: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every field with its full name, those inside of objects and multi-fields included."""
    found: list[tuple[str, dict[str, Any]]] = []
    for name, field in properties.items():
        if "type" in field:
            found.append((before + name, field))
        for inner in ("properties", "fields"):
            found += _flat(field.get(inner, {}), f"{before}{name}.")
    return found


def _text_problems(spec: Elasticsearch, fields: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not spec.text_fields:
        return ["text_fields is empty: name the fields to search and their boosts"]
    problems = []
    for name in spec.text_fields:
        kind = fields.get(name, {}).get("type")
        if kind is None:
            problems.append(f"text field {name!r} is missing")
        elif kind not in _TEXT:
            problems.append(f"text field {name!r} is of type {kind}, which is not analysed")
        elif fields[name].get("index") is False:
            problems.append(f"text field {name!r} is not indexed")
    return problems


def _id_problems(spec: Elasticsearch, fields: Mapping[str, Mapping[str, Any]]) -> list[str]:
    problems = []
    for role, name in (("id_field", spec.id_field), ("paper_field", spec.paper_field)):
        if not name:
            continue
        kind = fields.get(name, {}).get("type")
        if kind is None:
            problems.append(f"{role} {name!r} is missing")
        elif kind not in _IDS or fields[name].get("doc_values") is False:
            hint = f"; {name}.keyword would do" if f"{name}.keyword" in fields else ""
            problems.append(f"{role} {name!r} is of type {kind}, give a keyword or number{hint}")
    return problems


def _vector_problems(spec: Elasticsearch, fields: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not spec.vector_field:
        return []
    field = fields.get(spec.vector_field)
    if field is None:
        return [f"vector field {spec.vector_field!r} is missing"]
    if field["type"] != "dense_vector":
        return [f"vector field {spec.vector_field!r} is of type {field['type']}, not dense_vector"]
    problems = []
    if field.get("element_type", "float") != "float":
        problems.append(f"its vectors are of {field['element_type']}, only float can be searched")
    if field.get("index") is False:
        problems.append("its vectors are not indexed, so that only a script could search them")
    if field.get("similarity", "cosine") not in SIMILARITIES:
        problems.append(f"its similarity {field['similarity']!r} is unknown")
    if not field.get("dims"):
        problems.append("its vectors have no dimension yet: the index is empty")
    return problems
