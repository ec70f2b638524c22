r"""LaTeX as the text that it shows: accents, symbols, fonts, simple formulas.

`latex_to_text` is for what is LaTeX throughout, as bibliographies are; `readable` for any text,
where only what is surely LaTeX changes. The common commands are decoded here, twenty times as fast
as by a parser; a text that still has commands goes to pylatexenc.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_ACCENTS = {
    "`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", "=": "\u0304", "u": "\u0306",
    ".": "\u0307", '"': "\u0308", "r": "\u030a", "H": "\u030b", "v": "\u030c", "d": "\u0323",
    "c": "\u0327", "k": "\u0328", "b": "\u0331", "t": "\u0361",
}  # fmt: skip
_SYMBOLS = {
    "textbraceleft": "{", "textbraceright": "}",
    "ss": "ß", "o": "ø", "O": "Ø", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "aa": "å", "AA": "Å",
    "l": "ł", "L": "Ł", "i": "ı", "j": "ȷ", "dh": "ð", "DH": "Ð", "th": "þ", "TH": "Þ", "dj": "đ",
    "DJ": "Đ", "ng": "ŋ", "textendash": "–", "textemdash": "—", "dots": "…", "ldots": "…",
    "textquoteright": "’", "textquoteleft": "‘", "textquotedblleft": "“", "textquotedblright": "”",
    "guillemotleft": "«", "guillemotright": "»", "textasciitilde": "~", "textasciicircum": "^",
    "textbackslash": "\\", "textbar": "|", "textless": "<", "textgreater": ">", "textdegree": "°",
    "texttimes": "×", "textmu": "µ", "textregistered": "®", "texttrademark": "™", "copyright": "©",
    "textcopyright": "©", "S": "§", "P": "¶", "pounds": "£", "euro": "€", "texteuro": "€",
    "TeX": "TeX", "LaTeX": "LaTeX", "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ",
    "epsilon": "ε", "varepsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ", "iota": "ι",
    "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "φ", "varphi": "φ", "chi": "χ", "psi": "ψ",
    "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π",
    "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω", "times": "×", "pm": "±", "cdot": "·",
    "leq": "≤", "le": "≤", "geq": "≥", "ge": "≥", "neq": "≠", "ne": "≠", "approx": "≈", "sim": "∼",
    "ell": "ℓ", "infty": "∞", "rightarrow": "→", "to": "→", "leftarrow": "←", "in": "∈",
    "subset": "⊂", "cup": "∪", "cap": "∩", "forall": "∀", "exists": "∃", "partial": "∂",
    "nabla": "∇", "sum": "∑", "prod": "∏", "int": "∫", "circ": "∘", "degree": "°", "star": "⋆",
    "log": "log", "exp": "exp", "min": "min", "max": "max", "ln": "ln", "sin": "sin", "cos": "cos",
    "quad": " ", "qquad": " ", "newline": " ", "par": "\n\n", "noindent": "", "relax": "",
    "protect": "", "bgroup": "", "egroup": "", "left": "", "right": "", "xspace": "",
    "em": "", "it": "", "bf": "", "rm": "", "sc": "", "tt": "", "sl": "", "sf": "",
    "itshape": "", "bfseries": "", "scshape": "", "upshape": "", "slshape": "", "mdseries": "",
    "small": "", "large": "", "displaystyle": "", "ifmmode": "", "fi": "",
}  # fmt: skip
_FONTS = (
    "emph|text(?:it|bf|rm|sc|tt|sl|sf|up|md|normal)?|math(?:it|bf|rm|sf|tt|cal|bb|frak|scr|normal)|"
    "mkbibquote|mkbibemph|mkbibbold|mbox|hbox|underline|uline|boldsymbol|bm|operatorname|"
    "ensuremath|url|nolinkurl|path|uppercase|lowercase|MakeUppercase|hspace|enquote|penalty0|"
    "NoCaseChange|texorpdfstring|textsubscript"
)
_ACCENTED = re.compile(
    r"""\{?\\(?:([`'^~="."])\s*|([uvHtcdbrk])(?=[\s{]|\\[ij])\s*)(?:\{\s*(\\[ij]|[^\W\d_]?)\s*\}"""
    r"""|(\\[ij])(?![a-zA-Z])|([^\W\d_]))(?:\}|)""",
)
_COMMAND = re.compile(r"\\([a-zA-Z]+)(?:\{\}|(?![a-zA-Z])\s?)")
_FONT = re.compile(rf"\\(?:{_FONTS})\s*\{{")
_HREF = re.compile(r"\\href\s*\{[^{}]*\}\s*\{")
_ESCAPED = re.compile(r"\\([&%$#_{}\-/,;:!@ ])")
_ESCAPES = {"-": "", "/": "", "@": "", "!": "", ",": " ", ";": " ", ":": " ", " ": " "}
_SPECIAL = re.compile(r"[\\{}$~]|--|``|''")
_MATH = re.compile(r"(?<!\\)\$([^$]*)\$")
_RAISED = re.compile(r"([\^_])(?:\{([^{}]*)\}|([^\s{}\\]))")
_UP = dict(
    zip(
        "0123456789+-=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVW",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂ",
        strict=True,
    )
)
_DOWN = dict(
    zip("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True)
)
_HELD = {"{": "\ue000", "}": "\ue001", "$": "\ue002", "\\": "\ue003", "~": "\ue004", "_": "\ue005"}
"""Characters that stand for themselves, out of reach of the passes that follow."""
_FREE = {ord(held): shown for shown, held in _HELD.items()}

_MARKED_MATH = re.compile(
    r"(?<!\\)(\${1,2})(?=\S)([^$\n]{1,300})(?<=\S)\1(?!\d)"  # "$5 and $10" is money
    r"|\\\((.{1,300}?)\\\)|\\\[(.{1,300}?)\\\]"
)
_SURE_ACCENT = re.compile(
    r"""\{\\(?:([`'^~="."])\s*|([uvHtcdbrk])[\s{]\s*)\{?(\\[ij]|[^\W\d_])\}{1,2}"""
    r"""|\\(?:([`'^~="."])|([uvHtcdbrk]))\{(\\[ij]|[^\W\d_])\}"""
    r"""|\\([`'^~="."])(?!(?<=\w\\')[sdtm]\b)(\\[ij](?![a-zA-Z])|[^\W\d_])"""
    r"""(?:(?<=\\[ij]) (?=\w))?"""  # it\'s is no accent; the blank ends \i
)
_SURE_FONT = re.compile(
    rf"\\(?:{_FONTS})\s*\{{([^{{}}]*)\}}|\{{\\(?:em|it|bf|sc|tt|sl)\s+([^{{}}]*)\}}"
)
_REFERENCE = re.compile(
    r"[~\s]?\\(?:cite[a-zA-Z]*|(?:eq|auto|page)?ref|label)\*?(?:\[[^\]]*\]){0,2}\s*\{[^{}]*\}"
)
_SURE_SYMBOL = re.compile(
    r"\\(?:([a-zA-Z]{2,})(?:\{\}|(?![a-zA-Z])[ ]?(?=[\w\s]|$)|(?![a-zA-Z]))"
    r"|([oOlLij])(?:\{\}|(?<=\w\\[oOlLij]) (?=\w)))|\{\\([a-zA-Z]+)\s*\}"
)
_LONE_GROUP = re.compile(r"(?<![\\\w}])\{([^\W\d_]{1,40})\}")
_LETTERS = {"ss", "ae", "AE", "oe", "OE", "aa", "AA", "dh", "DH", "th", "TH", "dj", "DJ", "ng"}
DEEPEST = 5
"""Fonts within fonts that `readable` takes off."""


@lru_cache(maxsize=4096)
def latex_to_text(text: str) -> str:
    r"""The text that LaTeX source shows: `{\'E}cole $x^{2}$` gives `École x²`."""
    if not _SPECIAL.search(text):
        return text
    if "\\" in text:
        text = _ESCAPED.sub(lambda m: _held(_ESCAPES.get(m[1], m[1])), text.replace("\\\\", " "))
        text = _ACCENTED.sub(_accented, text)
        text = _HREF.sub("{", text)
        text = _FONT.sub("{", text)
    text = _MATH.sub(lambda m: _formula(m[1]), text)
    text = _COMMAND.sub(_command, text)
    if "\\" in text:
        text = _parsed(text)
    text = text.replace("---", "—").replace("--", "–").replace("``", "“").replace("''", "”")
    text = re.sub(r"[{}]", "", text).replace("~", " ")
    return text.translate(_FREE)


def readable(text: str) -> str:
    r"""A paper's text as a person reads it, whatever wrote it: formulas as characters, accents,
    fonts and symbols of LaTeX decoded, its references left out. What only may be LaTeX stays: `~`,
    `--`, `{a}`, `C:\temp`, `$5 and $10`."""
    return _read(text) if "\\" in text or "$" in text else text


@lru_cache(maxsize=4096)
def _read(source: str) -> str:
    text = _MARKED_MATH.sub(lambda m: latex_to_text(f"${m[2] or m[3] or m[4]}$"), source)
    if "\\" not in text:
        return text
    text = _SURE_ACCENT.sub(_sure_accent, text)
    text = _REFERENCE.sub("", text)
    text = _SURE_SYMBOL.sub(_sure_symbol, text)
    for _ in range(DEEPEST):
        text, done = _SURE_FONT.subn(lambda m: m[1] if m[1] is not None else m[2], text)
        if not done:
            break
    text = _HREF.sub("{", text)
    text = re.sub(r"\\([&%$#_{}])", lambda m: _held(m[1]), text)
    if text != source:
        text = _LONE_GROUP.sub(r"\1", text)
    return text.translate(_FREE)


def _sure_accent(match: re.Match[str]) -> str:
    """The letter with its accent, where there is one such letter."""
    mark = match[1] or match[2] or match[4] or match[5] or match[7]
    letter = (match[3] or match[6] or match[8]).replace("\\i", "i").replace("\\j", "j")
    shown = unicodedata.normalize("NFC", letter + _ACCENTS[mark])
    return shown if len(shown) == 1 else match.group()


def _sure_symbol(match: re.Match[str]) -> str:
    shown = _SYMBOLS.get(match[1] or match[2] or match[3])
    if not shown or shown.isspace():
        return match.group()
    inside = match.start() > 0 and match.string[match.start() - 1].isalpha()
    ends = match[2] or (inside and match[1] in _LETTERS)  # `Stra\ss e`, not `\alpha particles`
    return shown + (" " if match.group().endswith(" ") and not ends else "")


def _held(text: str) -> str:
    return "".join(_HELD.get(c, c) for c in text)


def _accented(match: re.Match[str]) -> str:
    accent = _ACCENTS[match[1] or match[2]]
    letter = (match[3] or match[4] or match[5] or "").replace("\\i", "i").replace("\\j", "j")
    shown = unicodedata.normalize("NFC", letter + accent) if letter else ""
    whole = match.group()
    # `{\"o}` is one group, `{\"o` the beginning of a longer one.
    opened, closed = whole.startswith("{"), whole.endswith("}")
    inner = 1 if match[3] is not None else 0
    spare = whole.count("}") - inner
    if opened and not spare:
        return "{" + shown
    if closed and spare and not opened:
        return shown + "}"
    return shown


def _command(match: re.Match[str]) -> str:
    shown = _SYMBOLS.get(match[1])
    if shown is None:
        return match.group()
    word = len(shown) > 1 and shown.isascii() and match.group()[-1].isspace()  # `\\log n`
    return _held(shown) + (" " if word and not shown[-1].isspace() else "")


def _formula(source: str) -> str:
    return _RAISED.sub(_raised, source)


def _raised(match: re.Match[str]) -> str:
    mark, inner = match[1], match[2] if match[2] is not None else match[3]
    letters = _UP if mark == "^" else _DOWN
    if inner and all(c in letters for c in inner):
        return "".join(letters[c] for c in inner)
    return f"{mark}{inner}" if len(inner) < 2 else f"{mark}({inner})"


def _parsed(text: str) -> str:
    """By a real parser; where that fails too, without the backslashes."""
    from pylatexenc.latex2text import LatexNodes2Text

    try:
        return str(LatexNodes2Text(math_mode="text", strict_latex_spaces=True).latex_to_text(text))
    except (ValueError, IndexError, KeyError, RecursionError, AttributeError, TypeError):
        return re.sub(r"\\([a-zA-Z]+)?", "", text)
