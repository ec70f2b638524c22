"""The two descriptions of an experiment that other tools read: RO-Crate, and ir_metadata."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from workbench.experiments.kept import KeptExperiment

PROCESS_RUN: Final = "https://w3id.org/ro/wfrun/process/0.5"
CRATE_CONTEXT: Final = "https://w3id.org/ro/crate/1.1/context"
CRATE: Final = "https://w3id.org/ro/crate/1.1"
LICENCE: Final = "https://spdx.org/licenses/CC-BY-4.0"


def ro_crate(
    experiment: KeptExperiment, files: Mapping[str, str], person: str, licence: str = LICENCE
) -> dict[str, Any]:
    """RO-Crate 1.1 with the profile Process Run Crate 0.5. `files`: name -> what it is; those that
    the action read are named "queries.jsonl", "qrels.txt", "profile.toml"."""
    read = [name for name in ("queries.jsonl", "qrels.txt", "profile.toml") if name in files]
    made = [name for name in files if name not in read]
    ended = datetime.fromtimestamp(
        experiment.document["started"] + experiment.document["seconds"], UTC
    )
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": experiment.name,
        "description": _described(experiment),
        "datePublished": ended.isoformat(timespec="seconds"),
        "license": {"@id": licence},
        "conformsTo": {"@id": PROCESS_RUN},
        "hasPart": [{"@id": name} for name in files],
        "mentions": {"@id": "#evaluation"},
        "author": {"@id": "#person"},
    }
    versions = experiment.document["machine"]["versions"]
    action = {
        "@id": "#evaluation",
        "@type": "CreateAction",
        "name": f"Evaluation {experiment.id}",
        "description": " ".join(experiment.document["origin"].values()),
        "startTime": experiment.when.isoformat(timespec="seconds"),
        "endTime": ended.isoformat(timespec="seconds"),
        "instrument": {"@id": "#workbench"},
        "object": [{"@id": name} for name in read],
        "result": [{"@id": name} for name in made],
        "agent": {"@id": "#person"},
        "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
    }
    graph = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": CRATE},
        },
        root,
        action,
        {
            "@id": "#workbench",
            "@type": "SoftwareApplication",
            "name": "Paper Search Workbench",
            "url": "https://pypi.org/project/paper-search-workbench/",
            "softwareVersion": versions.get("paper-search-workbench", ""),
        },
        {"@id": "#person", "@type": "Person", "name": person},
        {"@id": PROCESS_RUN, "@type": "CreativeWork", "name": "Process Run Crate",
         "version": "0.5"},
        {"@id": licence, "@type": "CreativeWork", "name": "Licence of this record",
         "description": "Of the record; the papers have their own."},
        *(
            {
                "@id": name,
                "@type": "File",
                "name": name,
                "description": what,
                "encodingFormat": _media(name),
            }
            for name, what in files.items()
        ),
    ]  # fmt: skip
    return {"@context": CRATE_CONTEXT, "@graph": graph}


def ir_metadata(experiment: KeptExperiment, person: str) -> dict[str, Any]:
    """ir_metadata 0.1, the header of a TREC run: platform, research goal, implementation, method,
    actor, data. Hashes, seeds and revisions have no place there; the record has them."""
    machine, profile = experiment.document["machine"], experiment.profile
    corpus = experiment.document["corpus"]
    retrieval = [
        {"name": name, "method": _METHODS.get(name, name), "weight": weight}
        for name, weight in profile.weights.items()
        if weight
    ]
    if profile.reranker:
        retrieval.append({"name": profile.reranker, "method": "reranking", "reranks": "first pass"})
    return {
        "schema-version": "0.1",
        "tag": experiment.id,
        "platform": {
            "hardware": {
                "cpu": {
                    "model": machine["cpu"]["model"],
                    "architecture": machine["machine"],
                    "number of cores": machine["threads"]["cores"],
                }
            },
            "operating system": {"distribution": machine["system"], "kernel": machine["system"]},
            "software": {
                "libraries": {
                    "python": [f"{name}=={found}" for name, found in machine["versions"].items()]
                }
            },
        },
        "research goal": {
            "evaluation": {
                "reported measures": list(experiment.metrics),
                "significance test": [],
            }
        },
        "implementation": {
            "executable": {"cmd": " ".join(experiment.document["origin"].values())},
            "source": {"lang": "python", "repository": "", "commit": machine["commit"]},
        },
        "method": {
            "automatic": True,
            "score ties": "ascending paper id",
            "indexing": {"tokenizer": corpus["world"]["analyser"], "stemmer": "snowball english",
                         "stopwords": "lucene english"},
            "retrieval": retrieval,
        },
        "actor": {"name": person, "role": "experimenter", "degree": "", "mail": ""},
        "data": {
            "test collection": {
                "name": Path(corpus["opened"]).name,
                "source": corpus["opened"],
                "qrels": "qrels.txt",
                "topics": "queries.jsonl",
            }
        },
    }  # fmt: skip


def yaml_of(values: Mapping[str, Any], indent: int = 0) -> str:
    """Plain values as YAML; every text is quoted, so none can mean something else."""
    lines = []
    for name, value in values.items():
        head = f"{' ' * indent}{name}:"
        if isinstance(value, Mapping) and value:
            lines += [head, yaml_of(value, indent + 2).rstrip("\n")]
        elif isinstance(value, list) and value:
            lines.append(head)
            for item in value:
                if isinstance(item, Mapping):
                    inner = yaml_of(item, indent + 4).rstrip("\n")
                    lines.append(f"{' ' * (indent + 2)}- {inner.lstrip()}")
                else:
                    lines.append(f"{' ' * (indent + 2)}- {json.dumps(item, ensure_ascii=False)}")
        else:
            lines.append(f"{head} {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


_METHODS = {
    "bm25": "BM25 (Lucene's form)",
    "title": "BM25 of the title",
    "dense": "cosine of sentence embeddings",
    "bm25_feedback": "BM25 of the query expanded by RM3",
    "dense_feedback": "cosine after Rocchio feedback",
}


def _described(experiment: KeptExperiment) -> str:
    means = ", ".join(f"{name} {v.mean:.4f}" for name, v in experiment.metrics.items())
    corpus = experiment.document["corpus"]
    return (
        f"{means} over {experiment.document['queries']} queries on {corpus['papers']} papers "
        f"({corpus['fingerprint']}), {experiment.profile!r}"
    )


def _media(name: str) -> str:
    own = {".jsonl": "application/jsonl", ".parquet": "application/vnd.apache.parquet",
           ".ipynb": "application/x-ipynb+json", ".toml": "application/toml",
           ".yaml": "application/yaml", ".sqlite": "application/vnd.sqlite3"}  # fmt: skip
    return own.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "text/plain"
