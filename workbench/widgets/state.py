"""What a search panel is set to: one frozen value, and the cell that gives its ranking again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from pprint import pformat
from typing import TYPE_CHECKING, Any

from workbench.errors import FilterError
from workbench.models.embedders.runtimes import runtime_in
from workbench.profiles import Profile
from workbench.ranking.editing import QueryEdits
from workbench.ranking.ranking import Ranking

if TYPE_CHECKING:
    from workbench.session import Workbench

KINDS = ("venue", "author", "field")
"""Filters that are lists of words; the year is a range."""

Bound = int | None


@dataclasses.dataclass(frozen=True, slots=True)
class PanelState:
    """The settings of a panel. Frozen: a changed setting is a new state.

    `profile` is what the candidates are retrieved with; `weights` and `normaliser` are what they
    are ranked with.
    """

    query: str = ""
    k: int = 10
    edits: QueryEdits = dataclasses.field(default_factory=QueryEdits)
    year: tuple[Bound, Bound] = (None, None)
    venue: tuple[str, ...] = ()
    author: tuple[str, ...] = ()
    field: tuple[str, ...] = ()
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)
    normaliser: str = "min-max"
    profile: Profile = dataclasses.field(default_factory=Profile)

    @staticmethod
    def start(profile: Profile, k: int = 10) -> PanelState:
        """Nothing asked yet, with a profile's weights and normaliser."""
        weights = {name: float(weight) for name, weight in profile.weights.items()}
        return PanelState(k=k, weights=weights, normaliser=profile.normaliser, profile=profile)

    def under(self, profile: Profile) -> PanelState:
        """The same under another profile, with its weights and normaliser."""
        start = PanelState.start(profile)
        return dataclasses.replace(
            self, profile=profile, weights=start.weights, normaliser=start.normaliser
        )

    @staticmethod
    def of(settings: Mapping[str, Any], profile: Profile) -> PanelState:
        """From what the browser sends. Raises QueryError and FilterError for what cannot be
        meant."""
        filters = settings.get("filters") or {}
        first, last = filters.get("year") or (None, None)
        return PanelState(
            query=str(settings.get("query") or "").strip(),
            k=settings.get("k", 10),
            edits=QueryEdits(**(settings.get("edits") or {})),
            year=(_year(first), _year(last)),
            venue=_several(filters.get("venue")),
            author=tuple(map(_first_last, _several(filters.get("author")))),
            field=_several(filters.get("field")),
            weights=dict(settings.get("weights") or {}),
            normaliser=settings.get("normaliser", "min-max"),
            profile=profile,
        )

    def settings(self) -> dict[str, Any]:
        """What `of` makes this state of, as plain values."""
        words = {kind: "; ".join(getattr(self, kind)) for kind in KINDS}
        return {
            "query": self.query,
            "k": self.k,
            "edits": self.edits.to_dict(),
            "filters": {"year": list(self.year), **words},
            "weights": dict(self.weights),
            "normaliser": self.normaliser,
        }

    @property
    def filters(self) -> dict[str, Any]:
        """The filters that are set, as `Workbench.search` takes them."""
        found: dict[str, Any] = {}
        if self.year != (None, None):
            found["year"] = self.year
        for name in KINDS:
            if values := getattr(self, name):
                found[name] = values[0] if len(values) == 1 else list(values)
        return found

    @property
    def retrieval(self) -> tuple[Any, ...]:
        """Equal for states that have the same candidates."""
        words = (self.year, self.venue, self.author, self.field)
        return self.query, self.edits, words, self.profile.fingerprint

    def retrieve(self, bench: Workbench) -> Ranking:
        """Search under the profile's own weights."""
        return bench.search(
            self.query, self.k, profile=self.profile, edits=self.edits or None, **self.filters
        )

    def rank(self, found: Ranking) -> Ranking:
        """The candidates under this state's weights."""
        signals = found.candidates.signals
        weights = {name: float(self.weights.get(name, 0.0)) for name in signals}
        return found.reweigh(weights, normaliser=self.normaliser, k=self.k)


def code_of(state: PanelState, ranking: Ranking, folder: Path | None, name: str) -> str:
    """A cell that gives `ranking` again, and stops where it does not.

    `folder` is the corpus, None on a cluster, whose address and keys belong in no notebook.
    `name` is the variable that holds the Workbench, or "" where none is known.
    """
    runtime = runtime_in(ranking.candidates.fingerprint)
    lines = [*opening_lines(folder, name, runtime), f"ranking = {name or 'bench'}.search("]
    lines += argument("", state.query)
    lines += argument("k", state.k)
    for kind, value in state.filters.items():
        lines += argument(kind, value)
    if state.edits:
        lines += call("edits", "wb.QueryEdits", state.edits.to_dict())
    lines += call("profile", "wb.Profile", profile_settings(state.profile))
    # All of them: signals left out of a reweigh would share what is missing to 1.
    weights = {name: float(weight) for name, weight in ranking.profile.weights.items()}
    lines += [").reweigh("]
    lines += argument("", weights)
    lines += argument("normaliser", state.normaliser)
    lines += [
        ")",
        f"assert ranking.fingerprint == {ranking.fingerprint!r}, "
        '"other papers, settings or runtime than then"',
        "ranking",
    ]
    return "\n".join(lines)


def opening_lines(folder: Path | None, name: str, runtime: str = "") -> list[str]:
    """How a cell comes by its Workbench; `folder` and `name` as in `code_of`, `runtime` where it is
    not the index's own."""
    lines = ["import workbench as wb", ""]
    if folder is None:
        return [*lines, f"# {name or 'bench'}: the Workbench on your cluster, opened as before"]
    more = f", runtime={runtime!r}" if runtime else ""
    opening = f"{name or 'bench'} = wb.open({str(folder)!r}{more})"
    return [*lines, f"# {opening}  # in another notebook" if name else opening]


def profile_settings(profile: Profile) -> dict[str, Any]:
    """The settings in which a profile differs from the plain `Profile()`."""
    plain = Profile().to_dict()
    return {name: value for name, value in profile.to_dict().items() if value != plain[name]}


def variable_of(bench: Workbench) -> str:
    """The name under which the notebook holds a Workbench, or ""."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    names = shell.user_ns.items() if shell else ()
    return next((n for n, value in names if value is bench and not n.startswith("_")), "")


def argument(name: str, value: Any) -> list[str]:
    """The lines of an argument of a call."""
    text = pformat(value, width=80, sort_dicts=False)
    # A long query is split over lines, which Python joins only inside brackets: it is in a call.
    lines = (f"{name}=" if name else "") + text
    return [f"    {line}" for line in f"{lines},".split("\n")]


def call(name: str, function: str, arguments: Mapping[str, Any]) -> list[str]:
    """The line of an argument that is itself a call."""
    inner = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    return [f"    {name}={function}({inner}),"]


def _several(text: Any) -> tuple[str, ...]:
    """Names as a person types them, with semicolons between."""
    return tuple(part.strip() for part in str(text or "").split(";") if part.strip())


def _first_last(name: str) -> str:
    """A name as papers have it: "Khattab, Omar" is Omar Khattab."""
    last, comma, first = name.partition(",")
    return f"{first.strip()} {last.strip()}".strip() if comma else name


def _year(value: Any) -> Bound:
    """A year as a person types it; None for nothing."""
    text = "" if value is None else str(value).strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise FilterError(f"{text[:20]!r} is not a year; give digits, like 2017")
    return int(text)
