"""LaTeX as the text that it shows, and texts that only look like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.present.latex import latex_to_text, readable


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"{\'E}cole", "École"),
        (r"G{\"o}del", "Gödel"),
        (r"{\"{o}}", "ö"),
        (r"Erd{\H o}s", "Erdős"),
        (r"Mart{\'\i}nez, Mart\'{\i}nez", "Martínez, Martínez"),
        (r"\c{c}a \v{S}koda", "ça Škoda"),
        (r"{\L}ukasz S{\o}ren", "Łukasz Søren"),
        (r"R\&D 100\% C\#", "R&D 100% C#"),
        (r"{DNA} {B}ayes", "DNA Bayes"),
        (r"\emph{in vivo} and \textbf{bold \textit{both}}", "in vivo and bold both"),
        (r"$\alpha$-helix, $H_{2}O$, $x^2$", "α-helix, H₂O, x²"),
        (r"pages 1--2 --- ``quoted''", "pages 1–2 — “quoted”"),
        (r"\url{http://a.b/c_d}", "http://a.b/c_d"),
        (r"\textquotesingle{}", "'"),
        (r"no latex, 5 < 6 & so", "no latex, 5 < 6 & so"),
        (r"Knuth~D.", "Knuth D."),
    ],
)
def test_latex_to_text(latex: str, text: str) -> None:
    assert latex_to_text(latex) == text


@given(st.text(alphabet=r"ab\{}$~^_'`é\n %&", max_size=60))
def test_no_latex_stops_the_reader(source: str) -> None:
    assert isinstance(latex_to_text(source), str)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r"A bound of $n^2$ for $\alpha$", "A bound of n² for α"),
        (r"top-$^K$ of $H_{max}$, the $10^{th}$", "top-ᴷ of Hₘₐₓ, the 10ᵗʰ"),
        (r"The \alpha-stable and \beta decay", "The α-stable and β decay"),
        (
            r"{\'E}cole, Erd\H{o}s, Erd{\H o}s, Ren\'e, Pa\v{s}ka",
            "École, Erdős, Erdős, René, Paška",
        ),
        (
            r"S{\o}ren, S\o ren, \L{}ukasz, Stra\ss e, na\"\i ve",
            "Søren, Søren, Łukasz, Straße, naïve",
        ),
        (r"\textit{in vivo}, {\em very \textbf{bold}}", "in vivo, very bold"),
        (r"see~\cite{a,b} and Section \ref{c}.", "see and Section."),
        (r"50\% of A\&B, snake\_case, \{x\}, \$5", "50% of A&B, snake_case, {x}, $5"),
        (r"\(a_1\), \[\frac{a}{b}\], $$x$$, $O(n \log n)$", "a₁, a/b, x, O(n log n)"),
        (r"{BERT}: \textsc{Pre}-training", "BERT: Pre-training"),
        (r"\url{http://x.y/_a} \href{http://a}{here}", "http://x.y/_a here"),
    ],
)
def test_latex_in_any_text_is_readable(source: str, text: str) -> None:
    assert readable(source) == text


@pytest.mark.parametrize(
    "text",
    [
        "costs $5 and $6 more, $3-$4",
        r"it\'s and don\'t, C:\temp\new, \d+ \S+, \n",
        "~5% -- {a, b} {BERT} ``so''",
        r"\unknown{thing} \textit{unclosed",
    ],
)
def test_what_may_be_no_latex_stays(text: str) -> None:
    assert readable(text) == text


@given(st.text(alphabet=r"ab\{}$~^_'`é\n %&", max_size=60))
def test_no_text_stops_the_panels(source: str) -> None:
    assert isinstance(readable(source), str)


@given(st.text(alphabet=st.characters(exclude_characters="\\$"), max_size=60))
def test_a_text_without_signs_of_latex_is_left_alone(text: str) -> None:
    assert readable(text) is text
