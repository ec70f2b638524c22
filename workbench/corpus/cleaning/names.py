"""Names of people, from every style to "First Last"."""

from __future__ import annotations

import re

_SUFFIX = re.compile(r"(?:jr|sr|junior|senior)\.?|(?:II|III|IV)", re.IGNORECASE)
_DEGREE = re.compile(
    r"(?:Ph\.?D|M\.?D|M\.?Sc|B\.?Sc|MPH|MBA|DPhil|DDS|DVM|PharmD|RN|FAAN|FRCS|FRCP|Esq)\.?"
)
_LIST = re.compile(r"\[\s*(['\"]).*\1\s*\]", re.DOTALL)
_QUOTED = re.compile(r"""(['"])(.*?)\1(?=\s*[,\]])""", re.DOTALL)
_INITIALS = re.compile(r"(?:[A-ZÀ-ÖØ-Þ]\.?[ -]?){1,4}")
_CAPITALS = re.compile(r"(?:[A-ZÀ-ÖØ-Þ]\.?-?){1,3}")
PARTICLES = frozenset(
    "von van der den de del della di da dos du la le zu zur ter ten el al bin ibn af av".split()  # noqa: SIM905
)
_ET_AL = re.compile(
    r"(?:,?\s*\b(?:et\.?\s+al\b\.?|and others\b)|\bothers$|…|\.\.\.)\s*", re.IGNORECASE
)
_BRACKETS = re.compile(r"\s*(?:\([^()]*\)|\[[^\[\]]*\])")
_MARKS = re.compile(r"[*†‡§¶\d⁰-⁹]+$|^[*†‡§¶]+")
_AND = re.compile(r"\s+(?:and|&)\s+|\s*,\s*(?:and|&)\s+", re.IGNORECASE)
_GLUE = re.compile(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ][a-zß-ÿ]*\.?\s)")
_GLUED_PREFIXES = frozenset(
    "Mc Mac De Di Da La Le Lo Du Van Von Fitz El Al St Ver Ten Ter Del".split()  # noqa: SIM905
)


def first_last(name: str) -> str:
    """ "Smith, John A." and "Smith JA" as "John A. Smith" and "JA Smith"; anything else as it is.

    Particles stay with the last name, "Jr" goes to the end.
    """
    name = " ".join(_MARKS.sub("", name.strip()).split()).strip(" ,;")
    if "," in name:
        return _turned([part.strip() for part in name.split(",")])
    words = name.split()
    if 2 <= len(words) <= 4 and not _INITIALS.fullmatch(words[0]):
        last = [word for word in words if not _CAPITALS.fullmatch(word)]
        rest = words[len(last) :]
        # "Smith JA", "Brownstein C D"; a name in capitals alone tells nothing.
        if last and rest and words[: len(last)] == last and not _CAPITALS.fullmatch(last[0]):
            return " ".join(rest + last)
    return name


def _turned(parts: list[str]) -> str:
    parts = [part for part in parts if part]
    if len(parts) < 2:
        return parts[0] if parts else ""
    words = " ".join(parts[1:]).split()
    suffix = [word for word in words if _SUFFIX.fullmatch(word)]
    given = [word for word in words if not _SUFFIX.fullmatch(word)]
    # "Smith, MD" are initials; behind a given name, or behind both names, it is a degree.
    if len(parts[0].split()) > 1 or (given and len(given[0].strip(".")) > 2):
        named = [word for word in given if not _DEGREE.fullmatch(word)]
        given = named if named or len(parts[0].split()) > 1 else given
    return " ".join([*given, parts[0], *suffix])


def clean_names(names: list[str]) -> list[str]:
    """Names one an item, each as "First Last"; "et al.", "others" and empty ones left out."""
    turned = (first_last(_ET_AL.sub("", _BRACKETS.sub("", name))) for name in names)
    found = [name for name in turned if name and name.lower() not in ("others", "et al", "anon")]
    return list(dict.fromkeys(found))


def split_names(text: str) -> list[str]:
    """The people of one text, whichever way they are set apart, each as "First Last".

    Between them may stand ";", "|", line ends, "and", "&", "," or nothing ("Ann LeeTom Fry"). Or
    they are a list as Python or JSON writes it: `['Lee, Ann', 'Fry, Tom']`.
    """
    if _LIST.fullmatch(text.strip()):
        return clean_names([match[2] for match in _QUOTED.finditer(text)])
    text = _ET_AL.sub("", _BRACKETS.sub("", text)).strip(" ,;")
    for mark in (";", "|", "\n"):
        if mark in text:
            return clean_names(text.split(mark))
    groups = [group.strip(" ,") for group in _AND.split(text)]
    if len(groups) > 1 and all(_inverted(group) for group in groups):
        return clean_names(groups)
    people = [person for group in groups for person in _by_commas(group)]
    return clean_names([part for person in people for part in _unglued(person)])


def _inverted(group: str) -> bool:
    """One person, last name first: "Smith, John", "van Dyk, J." """
    parts = [part.strip() for part in group.split(",")]
    return len(parts) == 2 and len(parts[1].split()) <= 3 and len(_bare(parts[0]).split()) == 1


def _by_commas(group: str) -> list[str]:
    parts: list[str] = []
    for part in (piece.strip() for piece in group.split(",")):
        if parts and _SUFFIX.fullmatch(part):
            parts[-1] += f" {part}"
        elif parts and _DEGREE.fullmatch(part) and not _INITIALS.fullmatch(part):
            continue
        elif part:
            parts.append(part)
    if len(parts) < 2:
        return parts
    pairs = list(zip(parts[::2], parts[1::2], strict=False))
    if len(parts) % 2 == 0 and all(_INITIALS.fullmatch(given) for _, given in pairs):
        return [f"{last}, {given}" for last, given in pairs]
    if len(parts) == 2 and len(_bare(parts[0]).split()) == 1:
        return [f"{parts[0]}, {parts[1]}"]
    return parts


def _bare(last_name: str) -> str:
    """A last name without its particles and suffix."""
    words = [w for w in last_name.split() if w.lower() not in PARTICLES]
    return " ".join(w for w in words if not _SUFFIX.fullmatch(w)) or last_name


def _unglued(person: str) -> list[str]:
    parts, start = [], 0
    for match in _GLUE.finditer(person):
        piece = person[start : match.start()]
        if piece.split()[-1] in _GLUED_PREFIXES or len(piece.split()) < 2:
            continue
        parts.append(piece)
        start = match.start()
    return [*parts, person[start:]]


def split_bibtex_names(value: str) -> list[str]:
    """BibTeX's list of names (still with its braces) at each " and " outside braces.

    A name in braces as a whole is an institution and stays as it is. LaTeX is not decoded.
    """
    names, depth, start = [], 0, 0
    for match in re.finditer(r"[{}]|\s+and(?=\s)", value, re.IGNORECASE):
        mark = match.group()
        if mark == "{":
            depth += 1
        elif mark == "}":
            depth -= 1
        elif depth <= 0:
            names.append(value[start : match.start()])
            start = match.end()
    names.append(value[start:])
    return [name.strip() for name in names if name.strip() and name.strip().lower() != "others"]
