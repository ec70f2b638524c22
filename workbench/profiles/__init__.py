"""Profiles: every setting that can change a result; the one place that reads the environment."""

from workbench.profiles.diff import ProfileDiff
from workbench.profiles.environment import (
    affiliation,
    cache_folder,
    elastic_environment,
    enclosing_experiment,
    hub_folder,
    inside_experiment,
    llm_environment,
    max_batch_tokens,
    may_record,
    model_budget,
    most_threads,
    person,
    profiles_folder,
    serve_key,
    set_model_budget,
    thread_variables,
    visible_gpus,
)
from workbench.profiles.profile import (
    PRESETS,
    Profile,
    as_profile,
    list_profiles,
    profile_from_environment,
)
from workbench.profiles.settings import LATE_INTERACTION, MAX_CANDIDATES, NORMALISERS

__all__ = [
    "LATE_INTERACTION",
    "MAX_CANDIDATES",
    "NORMALISERS",
    "PRESETS",
    "Profile",
    "ProfileDiff",
    "affiliation",
    "as_profile",
    "cache_folder",
    "elastic_environment",
    "enclosing_experiment",
    "hub_folder",
    "inside_experiment",
    "list_profiles",
    "llm_environment",
    "max_batch_tokens",
    "may_record",
    "model_budget",
    "most_threads",
    "person",
    "profile_from_environment",
    "profiles_folder",
    "serve_key",
    "set_model_budget",
    "thread_variables",
    "visible_gpus",
]
