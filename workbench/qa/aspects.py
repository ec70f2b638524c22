"""Which sentences of a paper speak of an aspect: its method, its data, its result.

Background, objective, method and result are roles of sentences (`roles`). Data and limitations are
told by the words that announce them, any other aspect by the words of its name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.corpus.analysis import Analyser
from workbench.qa.roles import ROLES, role_probabilities

LEAST = 1.0
"""What a sentence must weigh to speak of an aspect."""

LIKELY = {"background": 0.5, "objective": 0.3, "method": 0.5, "result": 0.4}
"""The probability of a role that weighs 1. Of the sentences that then stand for 295 abstracts of
CSAbstruct's dev part, .86, .51, .66 and .79 have the role, and .78, .50, .63 and .66 of the
abstracts that have one get one. As a prior of what answers a question the roles did not pay: with
120 titles of SciFact asked, coverage of the experts' claims at 150 words stayed at .686 or fell."""

NAMED = 0.4
"""The share of the words of an aspect's name that weighs 1."""


@dataclass(frozen=True, slots=True)
class Cues:
    """Words that announce an aspect: a strong cue weighs 1, a weak one half; two of each count."""

    strong: str
    weak: str

    def weigh(self, sentence: str) -> float:
        """How clearly a sentence speaks of it, from 0 to 3."""
        strong, weak = (
            min(2, len(re.findall(cues, sentence, re.IGNORECASE)))
            for cues in (self.strong, self.weak)
        )
        return strong + 0.5 * weak


DATA = Cues(
    strong=r"\b(?:data ?sets?|corpus|corpora|benchmarks?|collections? of|treebank"
    r"|test (?:set|collection)s?|training (?:set|data)|patients|participants"
    r"|subjects|respondents|samples? of|cohort|annotated|recordings?"
    r"|(?:documents|images|queries|sentences|articles|papers|tweets|passages"
    r"|abstracts|pages|reviews|samples|users|students|children|mice|adults|women|men) (?:from|in)"
    r"|\d[\d,.]* (?:million |billion |thousand )?(?:documents|images|queries|sentences|articles"
    r"|papers|tweets|passages|words|tokens|pages|reviews|samples|users|students|children|mice"
    r"|adults|women|men|cases|languages|pairs|questions|examples))\b",
    weak=r"\b(?:data|trained on|evaluated on|tested on|experiments on|drawn from|collected|million"
    r"|billion|wikipedia|web|crawl\w*|TREC|MS MARCO|ImageNet|survey)\b",
)
LIMITATION = Cues(
    strong=r"\b(?:limitations?|limited (?:to|by)|drawbacks?|weakness\w*|fails? (?:to|on)"
    r"|future work|cannot|does not|do not|did not|unable|less effective"
    r"|at the (?:cost|expense)|shortcomings?|caveats?|requires? (?:large|much|more|many)"
    r"|remains? (?:open|unclear|unsolved|difficult)"
    r"|expensive|fall(?:s|ing)? behind|too slow)\b",
    weak=r"\b(?:however|but|only|although|though|despite|still|larger?|costly|slow\w*|poor\w*|not)\b",
)
CUES = {
    "data": DATA, "dataset": DATA, "corpus": DATA, "sample": DATA, "participant": DATA,
    "limitation": LIMITATION, "weakness": LIMITATION, "drawback": LIMITATION,
}  # fmt: skip
ROLE_OF = {
    "method": "method", "approach": "method", "model": "method", "technique": "method",
    "result": "result", "finding": "result", "outcome": "result", "conclusion": "result",
    "objective": "objective", "aim": "objective", "goal": "objective", "purpose": "objective",
    "problem": "background", "background": "background", "motivation": "background",
}  # fmt: skip


def weigh_aspect(aspect: str, sentences: Sequence[str]) -> list[float]:
    """How clearly each sentence of a text, in its order, speaks of an aspect; from LEAST up it
    does. Singular or plural is the same; of an unknown aspect the words of its name must be there.
    """
    name = _singular(aspect)
    if name in ROLE_OF:
        role = ROLE_OF[name]
        likely = role_probabilities(sentences)[:, ROLES.index(role)] / LIKELY[role]
        return [float(weight) for weight in likely]
    if name in CUES:
        return [CUES[name].weigh(sentence) for sentence in sentences]
    analyser = Analyser()
    wanted = set(analyser.terms(aspect))
    if not wanted:
        return [0.0] * len(sentences)
    return [len(wanted & set(analyser.terms(s))) / len(wanted) / NAMED for s in sentences]


def _singular(aspect: str) -> str:
    plain = aspect.strip().lower()
    known = ROLE_OF | CUES
    return next((name for name in (plain, plain[:-1], plain[:-2]) if name in known), plain)
