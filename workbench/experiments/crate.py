"""The two descriptions of an experiment that other tools read: RO-Crate, and ir_metadata."""

from __future__ import annotations

import json
import mimetypes
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from workbench.experiments.kept import KeptExperiment
from workbench.profiles import Profile

PROCESS_RUN: Final = "https://w3id.org/ro/wfrun/process/0.5"
CRATE_CONTEXT: Final = "https://w3id.org/ro/crate/1.1/context"
CRATE: Final = "https://w3id.org/ro/crate/1.1"
SOFTWARE: Final = "https://pypi.org/project/paper-search-workbench/"
LICENCE: Final = "https://spdx.org/licenses/CC-BY-4.0"


def ro_crate(
    experiment: KeptExperiment,
    files: Mapping[str, str],
    person: str,
    organisation: str = "",
    licence: str = LICENCE,
) -> dict[str, Any]:
    """RO-Crate 1.1 with the profile Process Run Crate 0.5. `files`: name -> what it is; those that
    the action read are named "queries.jsonl", "qrels.txt", "profile.toml". The organisation, a name
    with its address behind it, is the person's, and the publisher; without one both stay open."""
    name, _, url = organisation.rpartition(" ") if "://" in organisation else (organisation, "", "")
    of_it = {"@id": url or "#organisation"}
    publisher = {**of_it, "@type": "Organization", "name": name or url}
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
        **({"publisher": of_it} if organisation else {}),
    }
    machine = experiment.document["machine"]
    action = {
        "@id": "#evaluation",
        "@type": "CreateAction",
        "name": f"Evaluation {experiment.id}",
        "description": " ".join(experiment.document["origin"].values()),
        "startTime": experiment.when.isoformat(timespec="seconds"),
        "endTime": ended.isoformat(timespec="seconds"),
        "instrument": {"@id": SOFTWARE},
        "object": [{"@id": name} for name in read],
        "result": [{"@id": name} for name in made],
        "agent": {"@id": "#person"},
        "actionStatus": "http://schema.org/CompletedActionStatus",
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
            "@id": SOFTWARE,
            "@type": "SoftwareApplication",
            "name": "Paper Search Workbench",
            "url": SOFTWARE,
            "softwareVersion": machine["versions"].get("paper-search-workbench") or machine["code"],
        },
        {"@id": "#person", "@type": "Person", "name": person,
         **({"affiliation": of_it} if organisation else {})},
        *([publisher | ({"url": url} if url else {})] if organisation else []),
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


def ir_metadata(experiment: KeptExperiment, person: str, organisation: str = "") -> dict[str, Any]:
    """ir_metadata 0.1, the header of a TREC run: platform, research goal, implementation, method,
    actor, data. Names and types are those of its checklists, and what is not known is left out.
    Hashes, seeds and revisions have no place there; the record has them."""
    machine = experiment.document["machine"]
    corpus = experiment.document["corpus"]
    versions = dict(machine["versions"])
    own = f"paper-search-workbench=={versions.pop('paper-search-workbench', '')}"
    measures = [_TREC_EVAL.sub(_trec_eval, name) for name in experiment.metrics]
    return {
        "schema-version": "0.1",
        "run-version": "1.0",
        "tag": experiment.id,
        "platform": {
            "hardware": {
                "cpu": {
                    "model": machine["cpu"]["model"],
                    "architecture": machine["machine"],
                    "number of cores": machine["threads"]["cores"],
                }
            },
            "operating system": {"kernel": machine["system"]},
            "software": {
                "libraries": {"python": [f"{name}=={found}" for name, found in versions.items()]},
                "retrieval toolkit": [own],
            },
        },
        "research goal": {"evaluation": {"reported measures": measures}},
        "implementation": {
            "executable": {"cmd": " ".join(experiment.document["origin"].values())},
            "source": {"lang": ["python"]}
            | ({"commit": machine["commit"]} if machine["commit"] else {}),
        },
        "method": {
            "automatic": True,
            "score ties": "ascending paper id",
            "indexing": {"tokenizer": corpus["world"]["analyser"], "stemmer": "snowball english",
                         "stopwords": "lucene english"},
            "retrieval": _components(experiment.profile),
        },
        "actor": {"name": person, "role": "experimenter"}
        | ({"team": organisation} if organisation else {}),
        "data": {
            "test collection": {
                "name": Path(corpus["opened"]).name,
                "source": corpus["opened"],
                "qrels": "qrels.txt",
                "topics": "queries.jsonl",
            }
        },
    }  # fmt: skip


def _components(profile: Profile) -> list[dict[str, Any]]:
    """The signals with their weights, then what is made of them."""
    weights = {name: weight for name, weight in profile.weights.items() if weight}
    first = [name for name, weight in profile.first_pass.items() if weight]
    signals = dict.fromkeys((*weights, *(first if profile.reranker else ())))
    found: list[dict[str, Any]] = [
        {"name": name, "method": _METHODS.get(name, name)}
        | ({"weight": weights[name]} if name in weights else {})
        for name in signals
    ]
    if profile.reranker:
        found += [
            {"name": "first pass", "method": "weighted sum", "interpolates": first},
            {"name": profile.reranker, "method": "reranking", "reranks": "first pass"},
        ]
    how = f"weighted sum of scores, normaliser {profile.normaliser}"
    return [*found, {"name": "fusion", "method": how, "interpolates": list(weights)}]


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


_NAMES = {"nDCG": "ndcg", "AP": "map", "RR": "recip_rank", "R": "recall"}
"""trec_eval's, which ir_metadata proposes, where ir_measures has others."""

_TREC_EVAL = re.compile(r"^(\w+?)(?:@(\d+))?$")


def _trec_eval(found: re.Match[str]) -> str:
    name = _NAMES.get(found[1], found[1])
    cut = "_cut" if name in ("ndcg", "map") and found[2] else ""
    return f"{name}{cut}_{found[2]}" if found[2] else name


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
