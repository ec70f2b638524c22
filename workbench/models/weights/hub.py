"""The Hugging Face hub: its cache on this machine, and at last the hub itself."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.profiles import hub_folder

FILES = ("*.json", "*/config.json", "model.safetensors", "*.txt", "*.model", "README.md")
"""What is fetched: weights in safetensors, configurations, tokenizers. No code, no pickles."""

_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def cached(name: str) -> tuple[Path | None, str]:
    """A model's folder in the local cache, or None and why not."""
    repository = hub_folder() / f"models--{name.replace('/', '--')}"
    try:
        revision = (repository / "refs" / "main").read_text("utf-8").strip()
    except (OSError, ValueError):
        return None, f"{repository} is not there"
    snapshot = repository / "snapshots" / revision
    if not (snapshot / "config.json").exists():
        return None, f"{snapshot} is not complete"
    return snapshot, ""


def cached_models() -> list[str]:
    """Names of the models in the local cache, by name."""
    found = hub_folder().glob("models--*/refs/main")
    names = [path.parent.parent.name.removeprefix("models--") for path in found]
    return sorted(name.replace("--", "/") for name in names)


def fetched(name: str) -> tuple[Path | None, str]:
    """A model's folder after fetching it, or None and why not."""
    if not _NAME.fullmatch(name) or ".." in name:
        return None, "not a name of the hub (owner/model)"
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError:
        return None, "huggingface_hub is not installed (pip install huggingface_hub)"
    try:
        folder = snapshot_download(
            name, cache_dir=hub_folder(), allow_patterns=list(FILES), etag_timeout=5
        )
    except (OSError, ValueError, HfHubHTTPError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return None, f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
    return Path(folder), ""
