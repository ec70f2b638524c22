"""Somebody else's index: what its mapping offers, and everything that is missing, named at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.engines.elastic.queries import LIMIT, VectorArm
from workbench.engines.elastic.spec import Elasticsearch
from workbench.engines.elastic.wire.connection import Connection
from workbench.errors import CorpusMismatch

SIMILARITIES = ("cosine", "dot_product", "l2_norm", "max_inner_product")
TEXT = {"text", "match_only_text", "search_as_you_type"}
NUMBERS = {"long": 63, "integer": 31, "short": 15, "byte": 7}
"""Types of whole numbers, and their bits."""

KEYWORDS = {"keyword", "constant_keyword", "wildcard"}
_IDS = {*KEYWORDS, *NUMBERS, "version"}
_WITHIN = "within"
"""In a flattened field: the nested object that it lies in. No mapping parameter has this name."""


@dataclass(frozen=True, slots=True)
class ForeignIndex:
    """One index and the fields that are searched. `id_field` "" means Elasticsearch's `_id`.

    `name` is what was given, an index or an alias, and what is searched: an alias may filter its
    documents. `concrete` is the index behind it. `fields`: type by name, without those in nested
    objects, which are in `nested` with the object's name. `limit` and `terms_limit`: hits of a
    search and values of a terms query that the index allows.
    """

    name: str
    concrete: str
    uuid: str
    text_fields: Mapping[str, float]
    title_field: str
    id_field: str
    paper_field: str
    dimension: int
    similarity: str
    vectors: VectorArm | None
    fields: Mapping[str, str]
    nested: Mapping[str, str]
    limit: int = LIMIT
    terms_limit: int = 65_536

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
    mappings, settings = body.get("mappings", {}), body["settings"]["index"]
    fields = dict(_flat(mappings.get("properties", {})))
    problems = [*_text_problems(spec, fields), *_id_problems(spec, fields)]
    problems += _vector_problems(spec, fields)
    if mappings.get("_source", {}).get("enabled") in (False, "false"):
        problems.append("its mapping turns _source off, so that no title or text can be read")
    if problems:
        raise CorpusMismatch(
            f"{connection.where}: {'; '.join(problems)}. Its fields are "
            f"{', '.join(sorted(fields)) or 'none'}"
        )
    connection.several_shards = int(settings["number_of_shards"]) > 1
    vector = fields.get(spec.vector_field, {})
    kind = str(vector.get("index_options", {}).get("type", "hnsw"))
    return ForeignIndex(
        name=spec.index,
        concrete=name,
        uuid=str(settings["uuid"]),
        text_fields=spec.text_fields,
        title_field=next((f for f in spec.text_fields if "title" in f.lower()), ""),
        id_field=spec.id_field,
        paper_field=spec.paper_field,
        dimension=int(vector.get("dims", 0)),
        similarity=str(vector.get("similarity", "cosine")),
        vectors=VectorArm(spec.vector_field, kind, spec.oversample) if vector else None,
        fields={n: str(f["type"]) for n, f in fields.items() if _WITHIN not in f},
        nested={n: str(f[_WITHIN]) for n, f in fields.items() if _WITHIN in f},
        limit=min(LIMIT, int(settings.get("max_result_window", LIMIT))),
        terms_limit=int(settings.get("max_terms_count", 65_536)),
    )


def cosine(score: float, similarity: str, length: float = 1.0) -> float:
    """The cosine of a unit query vector and a stored one of this length, from Elasticsearch's
    score, which is never negative; 0 for a vector of length 0.

    Formulas: reference of dense_vector, parameter `similarity`.
    """
    if not length:
        return 0.0
    if similarity == "l2_norm":  # 1 / (1 + d^2), and d^2 = 1 + length^2 - 2 length cos
        return (1 + length**2 - (1 / score - 1)) / (2 * length)
    if similarity == "max_inner_product":
        return (score - 1 if score >= 1 else 1 - 1 / score) / length
    return 2 * score - 1  # cosine; dot_product takes unit vectors alone


def _flat(
    properties: Mapping[str, Any], before: str = "", within: str = ""
) -> list[tuple[str, dict[str, Any]]]:
    """Every field with its full name, those inside of objects and multi-fields included."""
    found: list[tuple[str, dict[str, Any]]] = []
    for name, field in properties.items():
        nested = within or (before + name if field.get("type") == "nested" else "")
        if "type" in field:
            found.append((before + name, {**field, **({_WITHIN: nested} if nested else {})}))
        for inner in ("properties", "fields"):
            found += _flat(field.get(inner, {}), f"{before}{name}.", nested)
    return found


def _nested_problem(role: str, name: str, field: Mapping[str, Any]) -> str:
    return (
        f"{role} {name!r} is in the nested object {field[_WITHIN]!r}, whose parts are no documents "
        "and are not found by a search of documents; index each part as a document of its own, "
        "grouped by paper_field, or name a field outside of it"
    )


def _text_problems(spec: Elasticsearch, fields: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not spec.text_fields:
        return ["text_fields is empty: name the fields to search and their boosts"]
    problems = []
    for name in spec.text_fields:
        kind = fields.get(name, {}).get("type")
        if kind is None:
            problems.append(f"text field {name!r} is missing")
        elif _WITHIN in fields[name]:
            problems.append(_nested_problem("text field", name, fields[name]))
        elif kind not in TEXT:
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
        elif _WITHIN in fields[name]:
            problems.append(_nested_problem(role, name, fields[name]))
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
    if _WITHIN in field:
        return [_nested_problem("vector field", spec.vector_field, field)]
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
