"""What an export tells other tools: ir_metadata by its checklists, RO-Crate by its profile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

import workbench as wb
from tests.experiments.conftest import METRICS
from workbench.experiments.crate import ir_metadata
from workbench.experiments.experiment import Experiment
from workbench.records import Judgment, Query
from workbench.session import Workbench

Judged = tuple[list[Query], list[Judgment]]
TEXT, NUMBER = {"type": "string", "minLength": 1}, {"type": "number"}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT, "minItems": 1}


def mapping(needed: str = "", **fields: Any) -> dict[str, Any]:
    """Only these fields; a name's _ stands for a space."""
    named = {name.replace("_", " "): kind for name, kind in fields.items()}
    return {
        "type": "object",
        "properties": named,
        "required": needed.split(", ") if needed else [],
        "additionalProperties": False,
    }


COMPONENT = mapping(
    "name", name=TEXT, method=TEXT, params={"type": "object"}, reranks=TEXT, interpolates=TEXTS,
    weight=NUMBER,
)  # fmt: skip
SOURCES = {"type": "array", "items": mapping("name", name=TEXT, source=TEXT)}
PRIMAD = ("platform", "research goal", "implementation", "method", "actor", "data")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["schema-version", "run-version", "tag", *PRIMAD],
    "additionalProperties": False,
    "properties": {
        "schema-version": {"const": "0.1"},
        "run-version": TEXT,
        "tag": TEXT,
        "platform": mapping(
            hardware=mapping(
                cpu=mapping(model=TEXT, architecture=TEXT, operation_mode=TEXT,
                            number_of_cores={"type": "integer"}),
                gpu={"type": "object"}, ram=TEXT,
            ),
            operating_system=mapping(kernel=TEXT, distribution=TEXT),
            software=mapping(
                libraries={"type": "object", "additionalProperties": TEXTS},
                retrieval_toolkit=TEXTS,
            ),
        ),
        "research goal": mapping(
            venue=mapping(name=TEXT, year={"type": "integer"}),
            publication=mapping(dblp=TEXT, doi=TEXT, arxiv=TEXT, url=TEXT, abstract=TEXT),
            evaluation=mapping(
                reported_measures=TEXTS, baseline=TEXTS,
                significance_test={"type": "array", "items": mapping(
                    "name", name=TEXT, correction_method=TEXT)},
            ),
        ),
        "implementation": mapping(
            executable=mapping("cmd", cmd=TEXT),
            source=mapping(lang=TEXTS, repository=TEXT, commit=TEXT),
        ),
        "method": mapping(
            automatic={"type": "boolean"}, score_ties=TEXT,
            indexing=mapping(tokenizer=TEXT, stemmer=TEXT, stopwords=TEXT),
            retrieval={"type": "array", "items": COMPONENT},
        ),
        "actor": mapping(
            "name, role", name=TEXT, orcid=TEXT, team=TEXT, fields=TEXTS, mail=TEXT, degree=TEXT,
            role={"enum": ["experimenter", "reproducer"]}, github=TEXT, twitter=TEXT,
        ),
        "data": {"type": "object", "required": ["test collection"], "properties": {
            "test collection": mapping(
                "name", name=TEXT, source=TEXT, qrels=TEXT, topics=TEXT,
            ),
            "training data": SOURCES, "other": SOURCES,
        }},
    },
}  # fmt: skip
"""ir_metadata 0.1, of which there is no schema that a machine reads: its checklists of names and
types, https://www.ir-metadata.org (github.com/irgroup/ir_metadata, docs/metadata)."""


def measured(bench: Workbench, judged: Judged, **options: Any) -> Experiment:
    report = bench.evaluate(*judged, METRICS, progress=False, **options)
    found: Experiment = bench.experiments()[report.experiment]
    return found


def test_ir_metadata_keeps_to_its_checklists(bench: Workbench, judged: Judged) -> None:
    plain = wb.Profile()
    reranked = wb.Profile(reranker="late-interaction", n_rerank=5)
    for profile, organisation in ((plain, ""), (reranked, "University of X https://x.example")):
        found = ir_metadata(measured(bench, judged, profile=profile), "Ada", organisation)
        jsonschema.validate(found, SCHEMA)
        components = found["method"]["retrieval"]
        names = {each["name"] for each in components}
        for each in components:
            assert set(each.get("interpolates", ())) | {each.get("reranks")} <= names | {None}
        assert found["research goal"]["evaluation"]["reported measures"] == ["ndcg_cut_10", "map"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**found, "actor": {"name": ""}}, SCHEMA)


def test_the_header_of_a_run_is_what_repro_eval_reads(
    bench: Workbench, judged: Judged, tmp_path: Path
) -> None:
    folder = measured(bench, judged).export(tmp_path / "out")
    header = YAML(typ="safe").load((folder / "ir_metadata.yaml").read_text("utf-8"))
    jsonschema.validate(header, SCHEMA)
    start, *lines = (folder / "run.annotated.trec").read_text("utf-8").splitlines(keepends=True)
    end = lines.index("# ir_metadata.end\n")
    told = "".join(line.strip("#") for line in lines[:end])  # as repro_eval does
    assert (start, YAML(typ="safe").load(told)) == ("# ir_metadata.start\n", header)
    assert "".join(lines[end + 1 :]) == (folder / "run.trec").read_text("utf-8")


@pytest.fixture(scope="module")
def terms() -> dict[str, str]:
    """RO-Crate's JSON-LD context, as rocrate brings it: term -> IRI, and nothing nested."""
    from rocrate.vocabs import RO_CRATE

    found: dict[str, str] = RO_CRATE["@context"]
    return found


def expanded(graph: list[dict[str, Any]], terms: dict[str, str]) -> set[str]:
    """The IRIs of all types and properties. JSON-LD drops a key that its context lacks without a
    word; each reference must lead to an entity, or out of the crate."""
    ids = {entity["@id"] for entity in graph}
    assert len(ids) == len(graph)
    found = set()
    for entity in graph:
        found.add(terms[entity["@type"]])
        for name, value in entity.items():
            if name.startswith("@"):
                continue
            found.add(terms[name])
            for each in value if isinstance(value, list) else [value]:
                assert isinstance(each, str) or set(each) == {"@id"}
                assert isinstance(each, str) or each["@id"] in ids or "://" in each["@id"]
    return found


def test_a_crate_says_what_the_profile_wants_and_recommends(
    bench: Workbench, judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    terms: dict[str, str],
) -> None:  # fmt: skip
    """What the shapes of rocrate-validator ask for in RO-Crate 1.1 and Process Run Crate 0.5."""
    from rocrate.rocrate import ROCrate

    measurement = measured(bench, judged)
    for place, organisation in enumerate(
        ("", "University of X", "University of X https://x.example")
    ):
        monkeypatch.setenv("WORKBENCH_AFFILIATION", organisation)
        folder = measurement.export(tmp_path / str(place))
        crate = ROCrate(folder)
        files = {each.id for each in crate.get_entities() if each.type == "File"}
        assert files == {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and path.name != "ro-crate-metadata.json"
        }
        action, root = crate.get("#evaluation"), crate.root_dataset
        read = {"queries.jsonl", "qrels.txt", "profile.toml"}
        assert {each.id for each in action["object"]} == read
        assert action["instrument"].id.startswith("https://")
        assert action["instrument"].type == "SoftwareApplication"
        assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"
        assert root["conformsTo"].id.endswith("/process/0.5")
        assert root["mentions"].id == "#evaluation"
        publisher, person = root.get("publisher"), action["agent"]
        assert (publisher is None) == (not organisation)
        if organisation:
            assert person["affiliation"].id == publisher.id
            assert (publisher.type, publisher["name"]) == ("Organization", "University of X")
            url = organisation.partition("X")[2].strip()
            assert publisher.get("url", "") == url
            assert publisher.id == (url or "#organisation")
        told = json.loads((folder / "ro-crate-metadata.json").read_text("utf-8"))
        assert told["@context"] == "https://w3id.org/ro/crate/1.1/context"
        found = expanded(told["@graph"], terms)
        assert "http://schema.org/CreateAction" in found
        assert all(iri.startswith(("http://schema.org/", "http://purl.org/dc/")) for iri in found)
