"""What this machine offers the workbench, and what to do about what is missing."""

from __future__ import annotations

import platform
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from workbench import __version__
from workbench.errors import ModelError, WorkbenchError
from workbench.models.export import graph_file
from workbench.models.runtime_onnx import cores
from workbench.models.source import DEFAULT_MODEL, find_model
from workbench.profiles import cache_folder

PACKAGES = (
    "numpy",
    "bm25s",
    "PyStemmer",
    "onnxruntime",
    "tokenizers",
    "torch",
    "transformers",
    "pandas",
    "pyarrow",
    "jupyterlab",
)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. `remedy` says what to do where `ok` is false."""

    name: str
    ok: bool
    found: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The line as `workbench doctor --json` prints it."""
        return asdict(self)


def examine() -> list[Check]:
    """All checks; loads no model and no torch."""
    return [
        Check("workbench", True, f"{__version__}, Python {platform.python_version()}"),
        Check("machine", True, f"{platform.machine()}, {cores()} CPUs{_instructions()}"),
        *(_package(name) for name in PACKAGES),
        _runtime(),
        _gpu(),
        _weights(),
        _cache(),
    ]


def _package(name: str) -> Check:
    try:
        return Check(name, True, version(name))
    except PackageNotFoundError:
        return Check(name, False, "not installed", f"pip install {name}")


def _instructions() -> str:
    """Whether int8 products run in the CPU's own instructions (Linux tells)."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as stream:
            flags = stream.read()
    except OSError:
        return ""
    return ", int8 instructions (VNNI)" if "vnni" in flags else ", no int8 instructions"


def _runtime() -> Check:
    try:
        import onnxruntime
    except ImportError:
        return Check("runtime", False, "none", "pip install onnxruntime")
    available = ", ".join(onnxruntime.get_available_providers())
    return Check("runtime", True, f"ONNX Runtime int8 on the CPU (build offers {available})")


def _gpu() -> Check:
    """Asked of the driver's tool: importing torch to know would take seconds."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Check("GPU", True, "none; the CPU does everything")
    query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode != 0:
        return Check("GPU", False, "driver does not answer", "check the NVIDIA driver")
    return Check("GPU", True, "; ".join(done.stdout.strip().splitlines()))


def _weights() -> Check:
    try:
        folder = find_model(DEFAULT_MODEL)
        digest = folder.sha256
    except ModelError as error:
        return Check("weights", False, "missing or damaged", str(error))
    ready = "exported" if graph_file(folder).is_file() else "exported on first use"
    detail = f"{folder.name}, {folder.dimension} dimensions, sha256 {digest[:12]}, int8 {ready}"
    return Check("weights", True, f"{detail}, {folder.path}")


def _cache() -> Check:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except (OSError, WorkbenchError) as error:
        remedy = "set WORKBENCH_CACHE to a folder that you may write to"
        return Check("cache", False, f"{folder}: {error}", remedy)
    free = shutil.disk_usage(folder).free / 2**30
    return Check("cache", True, f"{folder}, {free:.0f} GiB free (WORKBENCH_CACHE moves it)")
