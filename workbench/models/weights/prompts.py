"""What known models want that their own files do not say: prompts, from their model cards.

The first pattern that a name matches counts. A folder's own `prompts`, where not empty, win.
"""

from __future__ import annotations

import re

_BGE = "Represent this sentence for searching relevant passages: "

PROMPTS = (
    (r"bge-(small|base|large)-en(-v1\.5)?", _BGE, ""),  # BAAI/bge-large-en-v1.5
    (r"bge-(small|base|large)-zh(-v1\.5)?", "为这个句子生成表示以用于检索相关文章：", ""),
    (r"mxbai-embed-(xsmall|large)-v1", _BGE, ""),  # mixedbread-ai/mxbai-embed-large-v1
    (r"snowflake-arctic-embed-(xs|s|m|l)(-v1\.5)?", _BGE, ""),
    (
        r"multilingual-e5-large-instruct",
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\n"
        "Query: ",
        "",
    ),
    (r"(multilingual-)?e5-(small|base|large)(-v2|-unsupervised)?", "query: ", "passage: "),
)
"""Pattern of the name's last part, prompt of a query, prompt of a document."""

CLS = (r"bge-.*", r"mxbai-embed-.*", r"snowflake-arctic-embed-.*")
"""Names of models that pool the first token, for folders without 1_Pooling."""


def known_prompt(name: str, kind: str) -> str:
    """The prompt of a `query` or `document` by the model's name; "" for unknown ones."""
    last = name.rstrip("/").rpartition("/")[2]
    for pattern, query, document in PROMPTS:
        if re.fullmatch(pattern, last, re.IGNORECASE):
            return query if kind == "query" else document
    return ""


def known_pooling(name: str) -> str:
    """`cls` or `mean` by the model's name; sentence-transformers' own default is the mean."""
    last = name.rstrip("/").rpartition("/")[2]
    return "cls" if any(re.fullmatch(pattern, last, re.IGNORECASE) for pattern in CLS) else "mean"
