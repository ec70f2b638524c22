"""Where and by what a measurement was made: versions, CPU, libraries, code, cell or command."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import subprocess
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from workbench.models.memory.hardware import cores
from workbench.profiles import thread_variables

PACKAGES = (
    "paper-search-workbench", "numpy", "scipy", "pandas", "onnxruntime", "tokenizers",
    "PyStemmer", "simsimd", "torch", "transformers", "sentence-transformers", "ir_measures",
    "pytrec-eval-terrier", "elasticsearch", "pyarrow",
)  # fmt: skip
"""Whose version can change a number."""

FLAGS = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "avx_vnni",
         "avx512_bf16", "amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm", "sve")  # fmt: skip
"""Of the CPU, those by which arithmetic kernels are chosen."""

_SECRET = re.compile(r"(?i)(://[^/@\s:]*):[^/@\s]+@|((?:key|token|password|secret)[\w-]*[= ])\S+")
_CELL = 20_000
"""Characters of a notebook's cell that are kept."""


def machine() -> dict[str, Any]:
    """What can change a number apart from the input, as plain values."""
    return {**_fixed(), "threads": {"cores": cores(), **thread_variables()}}


@cache
def _fixed() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cpu": _cpu(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "blas": _blas(),
        "code": code_fingerprint(),
        "commit": _commit(),
    }


@cache
def code_fingerprint() -> str:
    """16 hexadecimal digits over the package's own source files."""
    package = Path(__file__).resolve().parent.parent
    hashed = sha256()
    for path in sorted(package.rglob("*.py")):
        hashed.update(path.relative_to(package).as_posix().encode())
        hashed.update(path.read_bytes())
    return hashed.hexdigest()[:16]


def origin() -> dict[str, str]:
    """What asked for the measurement: the notebook's cell, or the command; secrets blotted out."""
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell is not None else None
    if running is not None:
        cells = running.user_ns.get("In") or [""]
        return {"cell": without_secrets(str(cells[-1])[:_CELL])}
    return {"command": without_secrets(" ".join(map(str, sys.argv)))[:_CELL]}


def without_secrets(text: str) -> str:
    """The text with passwords in URLs and values after "key", "token", ... replaced by signs."""
    return _SECRET.sub(lambda m: f"{m[1]}:***@" if m[1] is not None else f"{m[2]}***", text)


def _cpu() -> dict[str, Any]:
    """Model and the flags of FLAGS; empty where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return {"model": platform.processor(), "flags": []}
    pairs = (line.split(":", 1) for line in reversed(lines) if ":" in line)
    facts = {name.strip(): value.strip() for name, value in pairs}
    flags = set((facts.get("flags") or facts.get("Features") or "").split())
    return {"model": facts.get("model name", ""), "flags": [f for f in FLAGS if f in flags]}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _blas() -> str:
    """Name and version of the BLAS that numpy was built with."""
    try:
        import numpy as np

        found: Any = np.show_config(mode="dicts")
        blas = found["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas['version']}"
    except (KeyError, TypeError):
        return ""


def _commit() -> str:
    """The commit of the folder that the package is in, with a + where it was changed since."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    try:
        said = [
            subprocess.run(
                ["git", "-C", str(root), *arguments],
                capture_output=True, text=True, check=True, timeout=10, stdin=subprocess.DEVNULL,
            ).stdout.strip()
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"])
        ]  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return said[0] + ("+" if said[1] else "")
