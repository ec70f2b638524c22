"""DOIs, arXiv ids and PMIDs out of the text around them."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

_DOI = re.compile(r"10\.\d{4,9}(?:\.\d+)*/[^\s\"<>{}|\\^`\x00-\x1f]+", re.IGNORECASE)
_SICI = re.compile(r"10\.\d{4}/\(SICI\)[^\s\"]+", re.IGNORECASE)
"""DOIs of the nineties hold < and >."""

_ARXIV = re.compile(
    r"(?<![\w.])(\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})(?:v\d+)?(?![\d.]*\w)", re.ASCII
)
_PMID = re.compile(r"(?<!\d)(\d{1,9})(?:\.0)?(?!\d)", re.ASCII)
_ENDS = ".,;:'\"*"
_PAIRS = {")": "(", "]": "["}
PREPRINT_DOIS = ("10.48550/", "10.1101/", "10.2139/", "10.31234/", "10.21203/", "10.20944/",
                 "10.31219/", "10.26434/", "10.5281/", "10.36227/")  # fmt: skip
"""Prefixes of arXiv, bioRxiv, SSRN, PsyArXiv, Research Square, Preprints.org, OSF, ChemRxiv,
Zenodo, TechRxiv: such a DOI may stand beside the published one."""


def doi_of(text: str | None) -> str:
    """The first DOI in a text, without resolver, prefix or trailing marks; "" for none."""
    if not text or "10." not in text:
        return ""
    if "%" in text:
        text = unquote(text)
    if "&" in text:
        text = html.unescape(text)
    match = _SICI.search(text) or _DOI.search(text.replace("\\_", "_").replace("{\\_}", "_"))
    if match is None:
        return ""
    doi = re.split(r"[?#]|&(?:partner|amp|md5)", match.group(), maxsplit=1)[0]
    while doi and (doi[-1] in _ENDS or _unpaired(doi)):
        doi = doi[:-1]
    return doi


def _unpaired(doi: str) -> bool:
    opening = _PAIRS.get(doi[-1])
    return opening is not None and doi.count(opening) < doi.count(doi[-1])


def arxiv_of(text: str | None) -> str:
    """The first arXiv id in a text, without its version; "" for none."""
    match = _ARXIV.search(text or "")
    return match[1] if match else ""


def pmid_of(text: str | int | None) -> str:
    """A PubMed id of digits alone; "" for none, or for "0", which some tools write."""
    match = _PMID.search(str(text)) if text is not None else None
    return match[1] if match and match[1].strip("0") else ""
