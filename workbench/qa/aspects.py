"""Which sentences of a paper speak of an aspect: its method, its data, its result.

By rules, so each choice can be explained: words that announce the aspect, where in the text such
sentences stand, and for an aspect without rules the words of its name. The rules were made on the
train part of CSAbstruct (Cohan et al., EMNLP 2019).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.corpus.analysis import Analyser

CUE = 0.4
"""What a strong cue counts beside the place."""

ANYWHERE = 0.5
"""What stands for the place where an aspect has none: a strong cue then suffices."""

LEAST = 0.8
"""What a sentence must reach to speak of an aspect. On CSAbstruct's other part, 295 abstracts, of
the sentences taken for the method 64 % are (by place alone 55 %), for the result 63 % (66 %), for
the objective 40 % (19 %), and half to three fifths of them are found."""


@dataclass(frozen=True, slots=True)
class Aspect:
    """A known aspect. A strong cue says that a sentence speaks of it, a weak one half of that,
    `against` that it does not. `place` is where such sentences stand in an abstract (0 first, 1
    last): one point there, none half a text away; None where they stand anywhere. A sentence
    without any cue never speaks of it."""

    strong: str
    weak: str = r"(?!)"
    against: str = r"(?!)"
    place: float | None = None

    def weigh(self, sentence: str, place: float) -> float:
        """How clearly a sentence at a place speaks of it, from -1 to 4."""
        strong = min(2, len(_found(self.strong, sentence)))
        weak = min(2, len(_found(self.weak, sentence)))
        against = bool(_found(self.against, sentence))
        near = ANYWHERE if self.place is None else 1 - 2 * abs(place - self.place)
        said = CUE * (strong + 0.5 * weak - against)
        return said + near if strong or weak else min(near, 0.0)


_WE = r"\b(?:we|this (?:paper|work|article|study|thesis)|our|the authors)\b"
METHOD = Aspect(
    strong=r"\b(?:we|this paper|this work|the authors|and|it) (?:then |also |first |further )?"
    r"(?:propos\w+|introduc\w+|develop\w*|design\w*|build|built|use[sd]?|employ\w*|appl(?:y|ies|ied)"
    r"|adopt\w*|train\w*|combin\w+|extend\w*|formulat\w+|model|implement\w*|utili[sz]\w+"
    r"|construct\w*|learn|exploit\w*|leverag\w+|encod\w+|collect\w*|conduct\w*|perform\w*)\b"
    r"|\b(?:is|are|was|were) (?:then |first |also )?(?:trained|encoded|computed|estimated|factored"
    r"|optimi[sz]ed|learned|combined|used|applied|performed|collected|measured|randomi[sz]ed"
    r"|assigned|recruited|modelled|modeled|obtained by|based on)\b"
    r"|\b(?:the|our) (?:proposed )?(?:method|model|approach|algorithm|system|framework"
    r"|architecture|network|technique) (?:is|uses?|consists?|combines?|learns?|employs?|takes?"
    r"|first|then|works?|relies|exploits?|incorporates?)\b",
    weak=r"\b(?:method|model|algorithm|approach|framework|architecture|technique|network|based on"
    r"|by (?:using|means)|using|via|consist\w* of|pipeline|objective function|loss|attention"
    r"|encoder|classifier|first|then|finally|specifically|each)\b",
    against=r"\b(?:results?|outperform\w*|achiev\w+|shows? that|showed that|significant\w*"
    r"|improve\w*|however|remains?|is (?:an )?important|challeng\w+)\b",
    place=0.55,
)
RESULT = Aspect(
    strong=r"\b(?:results?|experiments?|findings|evaluations?|analys[ie]s|comparisons?|we|it"
    r"|simulations?|studies) (?:\w+ ){0,4}?"
    r"(?:show\w*|demonstrat\w+|indicat\w+|suggest\w*|reveal\w*|confirm\w*|found|find|observ\w+"
    r"|prove[sd]?|conclude[sd]?)\b"
    r"|\b(?:outperform\w*|achiev\w+|state[- ]of[- ]the[- ]art|significantly|surpass\w*|superior"
    r"|better than|worse than|higher than|lower than|improv\w+ (?:\w+ ){0,4}(?:by|over|of)"
    r"|up to \d|turns? out|is competitive)\b|\bp ?[<=>] ?0?\.\d|\d+(?:\.\d+)? ?(?:%|percent)",
    weak=r"\b(?:results?|improve\w*|performance|accuracy|effective\w*|efficient\w*|robust"
    r"|compared (?:to|with)|increase[sd]?|decrease[sd]?|reduce[sd]?|gain\w*|faster|fewer"
    r"|experiments?|finding|conclude\w*|correlat\w+|associated with|times)\b|\d",
    against=r"\b(?:propose|introduce|in this paper|aim|goal|we present|however)\b",
    place=1.0,
)
DATA = Aspect(
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
OBJECTIVE = Aspect(
    strong=r"\b(?:in this (?:paper|work|study|article)|this (?:paper|work|study|article|thesis)"
    r"|we (?:propose|present|introduce|investigate|address|study|examine|aim|consider|describe"
    r"|explore|focus|ask|seek)|aims? (?:to|at)|the (?:goal|aim|purpose|objective) (?:of|is|was))\b",
    weak=r"\b(?:propose[sd]?|novel|new|address\w*|investigat\w+|examin\w+|explore\w*|whether)\b",
    against=r"\b(?:results? show|outperform\w*|significantly)\b",
    place=0.35,
)
BACKGROUND = Aspect(
    strong=r"\b(?:however|recent(?:ly)?|in recent years|has (?:been|become)|have (?:been|become)"
    r"|remains?|is (?:a|an|one of) (?:\w+ )?(?:important|key|central|common|fundamental|challenging"
    r"|crucial|critical|major)|traditional\w*|existing|previous\w*|prior|widely|often|typically"
    r"|usually|despite|although|most (?:current|existing))\b",
    weak=r"\b(?:many|can be|challeng\w+|problem|increasingly|important|difficult"
    r"|are known|require\w*)\b",
    against=_WE,
    place=0.0,
)
LIMITATION = Aspect(
    strong=r"\b(?:limitations?|limited (?:to|by)|drawbacks?|weakness\w*|fails? (?:to|on)"
    r"|future work|cannot|does not|do not|did not|unable|less effective"
    r"|at the (?:cost|expense)|shortcomings?|caveats?|requires? (?:large|much|more|many)"
    r"|remains? (?:open|unclear|unsolved|difficult)"
    r"|expensive|fall(?:s|ing)? behind|too slow)\b",
    weak=r"\b(?:however|but|only|although|though|despite|still|larger?|costly|slow\w*|poor\w*|not)\b",
)
KNOWN = {
    "method": METHOD, "approach": METHOD, "model": METHOD, "technique": METHOD,
    "data": DATA, "dataset": DATA, "corpus": DATA, "sample": DATA, "participant": DATA,
    "result": RESULT, "finding": RESULT, "outcome": RESULT, "conclusion": RESULT,
    "objective": OBJECTIVE, "aim": OBJECTIVE, "goal": OBJECTIVE, "purpose": OBJECTIVE,
    "problem": BACKGROUND, "background": BACKGROUND, "motivation": BACKGROUND,
    "limitation": LIMITATION, "weakness": LIMITATION, "drawback": LIMITATION,
}  # fmt: skip


def weigh_aspect(aspect: str, sentences: Sequence[str]) -> list[float]:
    """How clearly each sentence of a text, in its order, speaks of an aspect; from LEAST up it
    does. Of an aspect that is not among `KNOWN` (singular or plural), the words of its name must
    be there: each weighs its share, a sentence with all of them 2."""
    last = max(len(sentences) - 1, 1)
    known = KNOWN.get(_singular(aspect))
    if known is not None:
        return [known.weigh(sentence, n / last) for n, sentence in enumerate(sentences)]
    analyser = Analyser()
    wanted = set(analyser.terms(aspect))
    if not wanted:
        return [0.0] * len(sentences)
    return [2 * len(wanted & set(analyser.terms(s))) / len(wanted) for s in sentences]


def _singular(aspect: str) -> str:
    plain = aspect.strip().lower()
    return next((name for name in (plain, plain[:-1], plain[:-2]) if name in KNOWN), plain)


def _found(pattern: str, sentence: str) -> list[str]:
    return re.findall(pattern, sentence, re.IGNORECASE)
