"""Options that several verbs have, and what their texts mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from workbench.profiles import Profile

QUERIES_HELP = "JSON lines or a table with id and text, or a BEIR folder."
QRELS_HELP = "Judgments: TREC's or BEIR's columns, a table, or a file that Judgments keeps."
Folder = Annotated[Path, typer.Argument(help="Corpus folder.", show_default=False)]
Weights = Annotated[
    list[str] | None,
    typer.Option(help="SIGNAL=NUMBER; repeat for several. The rest share what is left to 1."),
]
Normaliser = Annotated[str | None, typer.Option(help="min-max, z-score, theoretical, none or rrf.")]
ProfileName = Annotated[
    str | None, typer.Option(help="Name of a profile (`workbench profile list`) or its TOML file.")
]
Conflicts = Annotated[
    str,
    typer.Option(help="Where people disagree in a .jsonl: error, median, latest, lowest, highest."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def read_profile(name: str | None, normaliser: str | None = None) -> Profile:
    """A profile's name, the path of its file, or None for what the environment says."""
    from workbench.profiles import Profile, as_profile

    is_path = name is not None and (name.endswith(".toml") or "/" in name)
    chosen = Profile.from_toml(name) if name is not None and is_path else as_profile(name)
    return chosen if normaliser is None else chosen.replace(normaliser=normaliser)


def write_profile(path: Path, profile: Profile) -> None:
    """Write the profile as TOML; raises ProfileError where the file cannot be written."""
    from workbench.errors import ProfileError
    from workbench.writing import replacing

    try:
        with replacing(path) as stream:
            stream.write(profile.to_toml())
    except OSError as error:
        raise ProfileError(
            f"{path}: cannot be written ({error.strerror}); choose another"
        ) from error


def read_weights(options: list[str]) -> dict[str, float]:
    weights = {}
    for option in options:
        name, separator, number = option.partition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            separator = ""
        if not separator or not name:
            raise typer.BadParameter(f"--weight {option}: give SIGNAL=NUMBER, like dense=0.7")
    return weights


def read_years(option: str | None) -> tuple[int | None, int | None] | None:
    if option is None:
        return None
    first, separator, last = option.partition(":")
    try:
        years = int(first) if first else None, int(last) if last else None
    except ValueError:
        raise typer.BadParameter(f"--year {option}: give FIRST:LAST, like 2019:2024") from None
    return years if separator else (years[0], years[0])
