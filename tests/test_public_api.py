"""The public names, and that importing or searching loads nothing heavy."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

import workbench as wb
from workbench import errors
from workbench.session import Workbench

NAMES = [
    "Answer",
    "Candidates",
    "Elasticsearch",
    "Experiment",
    "Filters",
    "Hit",
    "Judgment",
    "Judgments",
    "Paper",
    "Passage",
    "Profile",
    "Query",
    "QueryEdits",
    "Ranking",
    "Report",
    "Sampler",
    "WeightCurve",
    "WeightSearch",
    "Workbench",
    "compare",
    "errors",
    "import_panel",
    "index",
    "inspect",
    "list_profiles",
    "merge",
    "open",
    "open_answer",
    "open_experiment",
    "parity",
    "read_qrels",
    "read_queries",
    "read_recording",
    "sweep",
    *sorted(
        name
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, Exception)
    ),
]

HEAVY = "torch transformers ipywidgets elasticsearch pandas numpy onnxruntime bm25s tokenizers"


def loaded_after(code: str, *arguments: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running the code."""
    report = "; import sys; print('LOADED', *sorted({n.partition('.')[0] for n in sys.modules}))"
    command = [sys.executable, "-W", "error", "-c", code + report, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stdout.splitlines() if line.startswith("LOADED")]
    return set(line.split()[1:])


def test_the_public_names_are_these() -> None:
    assert wb.__all__ == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(wb, name).__doc__


CLASSES = [getattr(wb, name) for name in NAMES if inspect.isclass(getattr(wb, name))]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_members_of_public_classes_are_documented(kind: type) -> None:
    for name, member in vars(kind).items():
        if isinstance(member, property | classmethod | staticmethod) or inspect.isfunction(member):
            assert name.startswith("_") or inspect.getdoc(getattr(kind, name)), name
    fields = getattr(kind, "__dataclass_fields__", {})
    told = kind.__doc__ or ""
    unsaid = [name for name in fields if not re.search(rf"\b{name}\b", told)]
    assert [name for name in unsaid if not name.startswith("_")] == []


@pytest.mark.parametrize("name", NAMES)
def test_arrays_say_their_shape(name: str) -> None:
    for member in vars(getattr(wb, name)).values():
        function = member.fget if isinstance(member, property) else member
        if inspect.isfunction(function) and not function.__name__.startswith("_"):
            array = "NDArray" in str(function.__annotations__.get("return"))
            assert not array or "hape" in str(function.__doc__), function


def test_a_star_import_brings_exactly_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from workbench import *", names)
    assert set(names) - {"__builtins__"} == set(NAMES)


def test_dir_lists_the_public_names() -> None:
    assert set(NAMES) <= set(dir(wb))
    assert dir(wb) == sorted(set(dir(wb)))


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="module 'workbench' has no attribute 'serach'"):
        _ = wb.serach


def test_a_name_is_the_same_object_each_time() -> None:
    assert wb.Workbench is wb.Workbench is Workbench


def test_importing_loads_nothing_heavy() -> None:
    assert not loaded_after("import workbench") & set(HEAVY.split())


def test_every_name_together_loads_no_model_library() -> None:
    loaded = loaded_after("from workbench import *")
    assert not loaded & {"torch", "transformers", "ipywidgets", "elasticsearch", "pandas"}


def test_opening_and_searching_loads_no_torch_and_no_pandas(landmarks: Workbench) -> None:
    code = (
        "import sys, workbench; bench = workbench.open(sys.argv[1], progress=False); "
        "ranking = bench.search('late interaction'); str(ranking), ranking._repr_html_(), "
        "ranking.to_dict(), ranking.explain(1); bench.close()"
    )
    loaded = loaded_after(code, str(landmarks.folder))
    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "transformers", "pandas", "ipywidgets", "elasticsearch"}
