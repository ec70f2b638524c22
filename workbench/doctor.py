"""What this machine offers the workbench, and what to do about what is missing."""

from __future__ import annotations

import platform
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, version

from workbench import __version__
from workbench.errors import ModelError, ModelRejected, WorkbenchError
from workbench.models.encoder.shape import shape_of
from workbench.models.memory.hardware import cores, driver_problem, gpus, torch_for_cpus
from workbench.models.onnx.export import graph_file
from workbench.models.weights import hub
from workbench.models.weights.find import DEFAULT_MODEL, ModelFolder, find_model
from workbench.models.weights.header import numbers
from workbench.present.finding import Finding
from workbench.present.words import human_bytes
from workbench.profiles import cache_folder

PACKAGES = (
    "numpy",
    "PyStemmer",
    "onnxruntime",
    "tokenizers",
    "safetensors",
    "torch",
    "transformers",
    "sentence-transformers",
    "pandas",
    "pyarrow",
    "jupyterlab",
)

SIZES = {"int8": 1, "bf16": 2, "fp32": 4}
"""Bytes of a weight."""


def examine() -> list[Finding]:
    """All checks; loads no model and no torch."""
    return [
        Finding("workbench", True, f"{__version__}, Python {platform.python_version()}"),
        Finding("machine", True, f"{platform.machine()}, {cores()} CPUs{_instructions()}"),
        *(_package(name) for name in PACKAGES),
        _runtime(),
        _gpu(),
        *_models(),
        _cache(),
    ]


def _package(name: str) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        return Finding(name, False, "not installed", f"pip install {name}")


def _instructions() -> str:
    """Whether int8 products run in the CPU's own instructions (Linux tells)."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as stream:
            flags = stream.read()
    except OSError:
        return ""
    return ", int8 instructions (VNNI)" if "vnni" in flags else ", no int8 instructions"


def _runtime() -> Finding:
    try:
        import onnxruntime
    except ImportError:
        return Finding("runtime", False, "none", "pip install onnxruntime")
    available = ", ".join(onnxruntime.get_available_providers())
    return Finding("runtime", True, f"ONNX Runtime int8 on the CPU (build offers {available})")


def _gpu() -> Finding:
    """Asked of the driver: importing torch to know would take seconds."""
    if problem := driver_problem():
        return Finding("GPU", False, f"the driver does not answer ({problem})", "check the driver")
    shown = gpus()
    if not shown:
        return Finding("GPU", True, "none; the CPU does everything")
    try:
        found = [f"{gpu.name}, {human_bytes(gpu.memory()[1])}" for gpu in shown]
    except shown[0].nvml.NVMLError as error:
        return Finding("GPU", False, f"the driver does not answer ({error})", "check the driver")
    names = "; ".join(found)
    if torch_for_cpus():
        return Finding("GPU", False, f"{names}; PyTorch is built for CPUs", "install a CUDA build")
    return Finding("GPU", True, names)


def _models() -> list[Finding]:
    """Each model that is at hand without a network: what it is, its size, where it comes from."""
    checks = []
    for name in (DEFAULT_MODEL, *hub.cached_models()):
        title = "weights" if name == DEFAULT_MODEL else "model"
        try:
            checks.append(Finding(title, True, describe_model(name, digest=name == DEFAULT_MODEL)))
        except ModelError as error:
            # A model of the cache that is not for us (another kind, pickles) is no fault.
            found = f"{name}: not usable"
            checks.append(Finding(title, title == "model", found, str(error)))
    return checks


def describe_model(name: str, digest: bool = False) -> str:
    """One line: dimension, window, pooling, size in each precision, how it runs, where it is."""
    folder = find_model(name)
    count = numbers(folder.tensors)
    mark = f", sha256 {folder.sha256[:12]}" if digest else ""
    ready = "exported" if digest and graph_file(folder).is_file() else "exported on first use"
    sizes = ", ".join(f"{kind} {human_bytes(count * size)}" for kind, size in SIZES.items())
    return (
        f"{folder.name}, {folder.dimension} dimensions, {folder.window} tokens, {_pooling(folder)}"
        f"{mark}; {sizes}; int8 {ready}; {_runs(folder)}; {folder.path}"
    )


def _pooling(folder: ModelFolder) -> str:
    try:
        return f"{folder.pooling} pooling"
    except ModelRejected:
        return "its own pooling"


def _runs(folder: ModelFolder) -> str:
    try:
        shape_of(folder)
        _ = folder.pooling
    except ModelRejected:
        return "runs through sentence-transformers"
    return "runs in ONNX Runtime and PyTorch"


def _cache() -> Finding:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except (OSError, WorkbenchError) as error:
        remedy = "set WORKBENCH_CACHE to a folder that you may write to"
        return Finding("cache", False, f"{folder}: {error}", remedy)
    free = human_bytes(shutil.disk_usage(folder).free)
    return Finding("cache", True, f"{folder}, {free} free (WORKBENCH_CACHE moves it)")
