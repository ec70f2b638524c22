"""What `deploy/` says can be done: its files and commands are there, and its image is whole."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from tests.conftest import ROOT
from tests.servers.service import Service
from workbench.cli.app import app

DEPLOY = ROOT / "deploy"


def instructions() -> list[tuple[str, str]]:
    """(name, the rest) of each instruction of the Dockerfile."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (DEPLOY / "Dockerfile").read_text())
    lines = text.replace("\\\n", " ").splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines) if name]


def of(wanted: str) -> list[str]:
    return [rest for name, rest in instructions() if name == wanted]


def options(arguments: list[str]) -> dict[str, Any]:
    """What `workbench serve` makes of arguments; an option that is none ends the test."""
    assert arguments[0] == "serve"
    command = typer.main.get_command(app)
    context = command.make_context("workbench", list(arguments), resilient_parsing=False)
    name, serve, rest = command.resolve_command(context, list(arguments))  # type: ignore[attr-defined] # a group of commands
    assert name == "serve"
    return dict(serve.make_context(name, rest, parent=context).params)


def test_the_image_serves_with_two_workers() -> None:
    [entry], [given] = of("ENTRYPOINT"), of("CMD")
    program, *arguments = json.loads(entry) + json.loads(given)
    assert program == "workbench"
    found = options(arguments)
    assert found["workers"] == 2
    assert found["preload"]
    assert found["host"] == "0.0.0.0"


def test_unit_and_manifest_give_options_that_there_are() -> None:
    unit = (DEPLOY / "workbench.service").read_text()
    [line] = re.findall(r"(?m)^ExecStart=(.*)$", unit)
    assert options(shlex.split(line)[1:])["folder"] == Path("/srv/corpus")
    deployment, _, scaler = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    [entry] = of("ENTRYPOINT")
    found = options([*json.loads(entry)[1:], *container["args"]])
    assert found["engine"] == "http://elasticsearch:9200"
    assert scaler["spec"]["metrics"][0]["pods"]["metric"]["name"] == "workbench_waiting"


def test_probes_are_answered(service: Service) -> None:
    [rest] = of("HEALTHCHECK")
    command = json.loads(rest.partition("CMD")[2])
    code = command[2].replace("http://127.0.0.1:8000", service.url)
    subprocess.run([sys.executable, "-c", code], check=True)
    deployment, *_ = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    for probe in ("readinessProbe", "livenessProbe"):
        path = container[probe]["httpGet"]["path"]
        subprocess.run([sys.executable, "-c", code.replace("/health/live", path)], check=True)


def test_the_image_holds_the_whole_package(tmp_path: Path) -> None:
    """The wheel is built of what the Dockerfile copies, and no more."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    for copied in of("COPY"):
        *sources, target = copied.split()
        for source in sources:
            assert source in allowed
            place = tmp_path / target / (source if target == "./" else "")
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, place)
    build = "from setuptools.build_meta import build_wheel; build_wheel('made')"  # what pip calls
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path, check=True, capture_output=True)
    [wheel] = (tmp_path / "made").glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    ours = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "workbench").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert ours <= inside


def test_each_step_of_the_image_has_what_it_names() -> None:
    """Versions are the lock's, files were copied before they are read, and so is the user made."""
    lock = (ROOT / "requirements.lock").read_text().split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [base] = of("FROM")
    assert project["requires-python"] == f">={base.removeprefix('python:').removesuffix('-slim')}"
    there: set[str] = set()
    for name, rest in instructions():
        if name == "COPY":
            there |= set(rest.split()[:-1])
        if name == "USER":
            assert f"useradd --create-home {rest}" in of("RUN")[0]
            assert f"chown {rest} /cache" in of("RUN")[0]
        for command in rest.split("&&") if name == "RUN" else ():
            program, *words = shlex.split(command)
            assert program in ("useradd", "mkdir", "chown", "pip", "python")
            assert {word for word in words if "==" in word} <= set(lock)
            assert {word for word in words if word.endswith((".lock", ".txt"))} <= there
            if words[-1] == ".":
                assert {"pyproject.toml", "README.md", "LICENSE", "workbench"} <= there
    assert "WORKBENCH_CACHE=/cache" in of("ENV")[0].split()


@pytest.mark.parametrize("run", [run for run in of("RUN") if run.startswith("python -c")])
def test_the_code_that_the_image_runs_works(run: str) -> None:
    program, option, code = shlex.split(run)
    assert (program, option) == ("python", "-c")
    exec(compile(code, "Dockerfile", "exec"), {})
