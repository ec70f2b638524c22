"""All reading of environment variables: where things are kept, and what changes the profile."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Any

from workbench.errors import ProfileError

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


def cache_folder() -> Path:
    """Where exported models and digests are kept: WORKBENCH_CACHE, or the platform's place."""
    chosen = os.environ.get("WORKBENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("workbench")


def hub_folder() -> Path:
    """Where Hugging Face's tools keep downloaded models: HF_HOME, or their default."""
    return Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser() / "hub"


def visible_gpus() -> list[str] | None:
    """The GPUs that CUDA shows, by number or UUID, from CUDA_VISIBLE_DEVICES; None: all."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    return None if names is None else [name.strip() for name in names.split(",") if name.strip()]


def profiles_folder() -> Path:
    """Where a person's own profiles are: WORKBENCH_PROFILES, or the platform's place."""
    chosen = os.environ.get("WORKBENCH_PROFILES")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_config_path

    return user_config_path("workbench") / "profiles"


def model_budget() -> str:
    """MODEL_BUDGET: what models may take of each device's memory, "80%" or "4GiB"."""
    return os.environ.get("MODEL_BUDGET") or "80%"


def set_model_budget(budget: str) -> None:
    """Set MODEL_BUDGET for this process and its children: several that share a device."""
    os.environ["MODEL_BUDGET"] = budget


def serve_key() -> str:
    """WORKBENCH_SERVE_KEY: the key that a service asks for, empty for none."""
    return os.environ.get("WORKBENCH_SERVE_KEY", "").strip()


def max_batch_tokens() -> int | None:
    """MAX_BATCH_TOKENS: tokens of a batch, instead of what is measured to fit; raises ProfileError
    where it is no whole number above 0."""
    chosen = os.environ.get("MAX_BATCH_TOKENS")
    if not chosen:
        return None
    if not chosen.strip().isdecimal() or int(chosen) < 1:
        raise ProfileError(f"MAX_BATCH_TOKENS is {chosen!r}; give a whole number above 0")
    return int(chosen)


def person() -> str:
    """Who sits here: WORKBENCH_PERSON, or the login name, or "someone" where there is none."""
    chosen = os.environ.get("WORKBENCH_PERSON", "").strip()
    if chosen:
        return chosen
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "someone"


def affiliation() -> str:
    """WORKBENCH_AFFILIATION: the organisation that the person belongs to, with its address where
    it has one ("University of X https://x.example"); "" where not set."""
    return os.environ.get("WORKBENCH_AFFILIATION", "").strip()


def may_record() -> bool:
    """WORKBENCH_RECORD: whether what is measured is kept beside the corpus; true where not set.
    Raises ProfileError for a value that says neither."""
    return _flag("WORKBENCH_RECORD") is not False


def enclosing_experiment() -> str:
    """WORKBENCH_EXPERIMENT: the id of the experiment that runs this process; "" for none."""
    return os.environ.get("WORKBENCH_EXPERIMENT", "").strip()


def inside_experiment(name: str) -> dict[str, str]:
    """The environment of a process whose measurements belong to an experiment."""
    return {**os.environ, "WORKBENCH_EXPERIMENT": name}


def set_most_threads(count: int) -> None:
    """Set WORKBENCH_THREADS for this process and its children: several that share the CPUs."""
    os.environ["WORKBENCH_THREADS"] = str(count)


def most_threads() -> int | None:
    """WORKBENCH_THREADS: CPUs to use, instead of all that this process may. Raises ProfileError
    where it is no whole number above 0."""
    chosen = os.environ.get("WORKBENCH_THREADS", "").strip()
    if not chosen:
        return None
    if not chosen.isdecimal() or int(chosen) < 1:
        raise ProfileError(f"WORKBENCH_THREADS is {chosen!r}; give a whole number above 0")
    return int(chosen)


def thread_variables() -> dict[str, str]:
    """What the environment says of threads to the libraries below, by name."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "WORKBENCH_THREADS")
    return {name: os.environ[name] for name in names if name in os.environ}


def elastic_environment() -> dict[str, str]:
    """What WORKBENCH_ES_* variables say of a cluster, by name in lower case, empty ones left out:
    url, api_key, user, password, cloud_id, ca_certs, credentials (a file)."""
    names = ("url", "api_key", "user", "password", "cloud_id", "ca_certs", "credentials")
    found = {name: os.environ.get(f"WORKBENCH_ES_{name.upper()}", "") for name in names}
    return {name: value for name, value in found.items() if value}


def llm_environment() -> dict[str, str]:
    """What WORKBENCH_LLM_* variables say of a language model's server, by name in lower case, empty
    ones left out: url, model, key. Where they are not set, OPENAI_BASE_URL, OPENAI_MODEL and
    OPENAI_API_KEY count."""
    names = {"url": "OPENAI_BASE_URL", "model": "OPENAI_MODEL", "key": "OPENAI_API_KEY"}
    found = {
        name: os.environ.get(f"WORKBENCH_LLM_{name.upper()}") or os.environ.get(other, "")
        for name, other in names.items()
    }
    return {name: value for name, value in found.items() if value}


def variables() -> tuple[str, dict[str, Any]]:
    """The profile that variables name, and the settings that they change in it; what each means
    says `profile_from_environment`. Raises ProfileError that names variable and value."""
    gpu, fast, enabled = map(_flag, ("ASTA_GPU_PROFILE", "FAST_PROFILE", "GPU_ENABLED"))
    changes: dict[str, Any] = {} if enabled is not False else {"device": "cpu"}
    for variable, setting in (("MAX_WORKERS", "workers"), ("BATCH_SIZE", "batch_size")):
        if text := os.environ.get(variable, "").strip():
            changes[setting] = _whole(variable, text)
    return "gpu" if gpu else "fast" if fast else "default", changes


def _flag(variable: str) -> bool | None:
    """What a variable says, None where it is not set."""
    text = os.environ.get(variable)
    if text is None:
        return None
    if text.strip().lower() not in _TRUE | _FALSE:
        raise ProfileError(f"{variable} is {text!r}; set it to true or false")
    return text.strip().lower() in _TRUE


def _whole(variable: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ProfileError(f"{variable} is {text!r}; set it to a whole number") from None
