"""Ids as clients of Semantic Scholar write them: of papers, of authors, and keys to look up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import unquote, urlsplit

from workbench.corpus.analysis import fold_name
from workbench.records import Paper

LEAST_ID = 10_000
"""Clients take numbers of four digits for years."""

_SPAN = 2**53 - LEAST_ID
"""JSON numbers are exact up to 2^53 in every language."""

MOST_ID = 1_000
"""Characters of an id that is looked up."""

_ARXIV = re.compile(r"(?:\d{4}\.\d{4,5}|[a-z-]+(?:\.[a-z]{2})?/\d{7})(?:v\d+)?", re.IGNORECASE)
_ACL_DOI = re.compile(r"10\.18653/v1/(.+)", re.IGNORECASE)
_ACL_URL = re.compile(r"(?:www\.)?aclanthology\.org/([^/?#]+?)(?:\.pdf)?/?$", re.IGNORECASE)
_OLD_ACL_URL = re.compile(
    r"(?:www\.)?aclweb\.org/anthology/(?:papers/)?(?:[^/?#]+/)*?([^/?#]+?)(?:\.pdf)?/?$",
    re.IGNORECASE,
)
_VERSION = r"v[0-9]+(?:[.].*)?$"
"""What bioRxiv puts behind a DOI in its URLs."""

_DOI = re.compile(r"10\.\d{4,9}/\S+")


def _number(text: str) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return LEAST_ID + int.from_bytes(digest, "big") % _SPAN


@lru_cache(maxsize=1 << 17)
def corpus_id(paper_id: str) -> int:
    """The number of a paper, from 10,000 to below 2^53, made of its id alone: the same in every
    rebuild, worker and engine. Two of a million papers share one with a chance of 1 in 18,000; then
    look-ups by number find the one with the smaller id."""
    return _number(f"paper {paper_id}")


@lru_cache(maxsize=1 << 17)
def author_id(name: str) -> str | None:
    """The id of an author, digits, made of the name without case and accents: people of one name
    share it, and one person with two spellings has two. None for a name without letter or digit."""
    folded = folded_name(name)
    return str(_number(f"author {folded}")) if folded else None


def folded_name(name: str) -> str:
    """A name in the form that tells authors apart: "Manning, Chris" is "chris manning"."""
    last, comma, first = name.partition(",")
    return fold_name(f"{first} {last}" if comma else name)


def acl_id(doi: str, url: str) -> str:
    """The ACL Anthology's id, from a paper's DOI or URL; empty where neither has one."""
    found = _ACL_DOI.fullmatch(doi) or _acl_in(url)
    return found[1] if found else ""


def _acl_in(url: str) -> re.Match[str] | None:
    place = re.sub(r"^https?://", "", url)
    return _ACL_URL.match(place) or _OLD_ACL_URL.match(place)


def keys_of(paper: Paper) -> Iterator[str]:
    """The keys by which a paper is found, besides its own id and number."""
    if paper.doi:
        yield f"doi:{paper.doi.lower()}"
    if paper.arxiv_id:
        yield f"arxiv:{_arxiv(paper.arxiv_id)}"
    if acl := acl_id(paper.doi, paper.url):
        yield f"acl:{acl.lower()}"
    if paper.url:
        yield f"url:{_plain_url(paper.url)}"


def key_of(text: str) -> str:
    """The key that a client's id asks for: `id:` with an id of the corpus, or `corpusid:`, `doi:`,
    `arxiv:`, `acl:`, `url:`; empty for a kind that no paper here can have (MAG, PMID, PMCID)."""
    kind, colon, rest = text.partition(":")
    kind, rest = kind.strip().lower(), rest.strip()
    if not colon or kind not in _KINDS:
        return _bare(text)
    return _KINDS[kind](text if kind in ("http", "https") else rest)


def _bare(text: str) -> str:
    found = _DOI.fullmatch(text)
    return f"doi:{text.lower()}" if found else f"id:{text}"


def _arxiv(text: str) -> str:
    return re.sub(r"v\d+$", "", text.strip().lower().removeprefix("arxiv:"))


def _plain_url(url: str) -> str:
    """A URL without what differs between ways to write it."""
    place = re.sub(r"^https?://(?:www\.)?", "", url.strip(), flags=re.IGNORECASE)
    host, slash, path = place.partition("/")
    return f"{host.lower()}{slash}{path}".rstrip("/")


def _of_url(url: str) -> str:
    """The id that a URL of a known site holds, else the URL itself."""
    try:
        parts = urlsplit(url if "//" in url else f"https://{url}")
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return ""
    path = unquote(parts.path)
    if host.endswith("arxiv.org") and (found := _ARXIV.search(path)):
        return f"arxiv:{_arxiv(found[0])}"
    if host.endswith(("doi.org", "acm.org", "biorxiv.org")) and (found := _DOI.search(path)):
        doi = found[0].lower()
        return f"doi:{re.sub(_VERSION, '', doi) if host.endswith('biorxiv.org') else doi}"
    if found := _acl_in(url):
        return f"acl:{found[1].lower()}"
    if host.endswith("semanticscholar.org"):
        number = re.search(r"CorpusID:(\d+)", url, re.IGNORECASE)
        return f"corpusid:{int(number[1])}" if number else f"id:{path.rstrip('/').split('/')[-1]}"
    return f"url:{_plain_url(url)}"


def _numbered(text: str) -> str:
    return f"corpusid:{int(text)}" if text.isascii() and text.isdecimal() and len(text) < 18 else ""


_KINDS: dict[str, Callable[[str], str]] = {
    "http": _of_url,
    "https": _of_url,
    "url": _of_url,
    "arxiv": lambda text: f"arxiv:{_arxiv(text)}",
    "corpusid": _numbered,
    "doi": lambda text: f"doi:{text.lower()}",
    "acl": lambda text: f"acl:{text.lower()}",
    "mag": lambda _: "",
    "pmid": lambda _: "",
    "pmcid": lambda _: "",
}
