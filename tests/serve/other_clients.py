"""What ScholarQA, paper-qa and pyterrier-services read of a service: `other_clients.py FOLDER URL`.

Their own code, unmodified but for the base URL. What they import besides (model servers, cloud
storage, a tokeniser) is not installed; it is stood for by names that do nothing, and a package
whose `__init__` imports all of it is entered by its modules. Prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import redirect_stdout
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

ABSENT = (
    "aiohttp", "aviary", "coredis", "google", "html2text", "httpx_aiohttp", "limits", "litellm",
    "scholarqa.llms", "tantivy", "tiktoken",
)  # fmt: skip
ENTERED = ("paperqa", "paperqa.clients", "scholarqa", "scholarqa.rag")
TITLE = "PLAID: An Efficient Engine for Late Interaction Retrieval"
DOI = "10.1145/3511808.3557325"


class _Nothing(type):
    """A name of a module that is not here; it may be a type, a base or a decorator."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _named(name)

    def __call__(cls, *given: Any, **more: Any) -> Any:
        if len(given) == 1 and callable(given[0]) and not more:
            return given[0]
        return super().__call__()


def _named(name: str) -> _Nothing:
    def schema(*_: Any) -> Any:
        return import_module("pydantic_core.core_schema").any_schema()

    own = {
        "__get_pydantic_core_schema__": classmethod(schema),
        "__class_getitem__": classmethod(lambda cls, _: cls),
    }
    return _Nothing(name, (), own)


class _Absent(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _named(name)


class _Finder(MetaPathFinder, Loader):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if any(fullname == name or fullname.startswith(f"{name}.") for name in ABSENT):
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Absent(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def prepare(folder: Path) -> None:
    """Make the packages of a folder importable, for this process."""
    sys.path.insert(0, str(folder))
    sys.meta_path.insert(0, _Finder())
    for name in ENTERED:
        module = ModuleType(name)
        module.__path__ = [str(folder / name.replace(".", "/"))]
        sys.modules[name] = module


def scholarqa(url: str) -> dict[str, Any]:
    """Its full-text retriever: passages, further papers, and their metadata."""
    utils = import_module("scholarqa.utils")
    utils.S2_API_BASE_URL = f"{url}/graph/v1/"
    retriever = import_module("scholarqa.rag.retriever_base").FullTextRetriever()
    passages = retriever.retrieve_passages("late interaction", year="2019-2023")
    papers = retriever.retrieve_additional_papers("ranking", year="2015-", venue="SIGIR,CIKM")
    known = utils.get_paper_metadata({passage["corpus_id"] for passage in passages})
    return {"passages": passages, "papers": papers, "metadata": known}


async def paperqa(url: str) -> dict[str, Any]:
    """Its look-ups by DOI and by title."""
    import httpx

    provider = import_module("paperqa.clients.semantic_scholar")
    provider.SEMANTIC_SCHOLAR_BASE_URL = url
    found: dict[str, Any] = {}
    async with httpx.AsyncClient(timeout=170) as client:
        by_doi = await provider.get_s2_doc_details_from_doi(DOI, client)
        by_title = await provider.s2_title_search(TITLE, client)
        for name, details in (("doi", by_doi), ("title", by_title)):
            found[name] = details.model_dump(include={"title", "year", "doi", "key", "authors"})
        try:
            await provider.get_s2_doc_details_from_doi("10.1/none", client)
        except Exception as error:  # its own, of a module that is not imported here
            found["missing"] = type(error).__name__
    return found


def pyterrier(url: str) -> list[dict[str, Any]]:
    """Its retriever, over more than one page."""
    services = import_module("pyterrier_services")
    services.SemanticScholarApi.API_BASE_URL = f"{url}/graph/v1"
    retriever = services.SemanticScholarApi().retriever(num_results=150, verbose=False)
    rows: list[dict[str, Any]] = retriever.search("dense retrieval").to_dict("records")
    return rows


def main() -> None:
    folder, url = Path(sys.argv[1]), sys.argv[2]
    prepare(folder)
    with redirect_stdout(sys.stderr):  # they print
        found = {
            "scholarqa": scholarqa(url),
            "paperqa": asyncio.run(paperqa(url)),
            "pyterrier": pyterrier(url),
        }
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main()
