r"""Turn the plain formulas of docstrings into TeX, so that the site renders them.

A formula is lines of symbols and words; parts of a line are apart by three spaces. A word of several letters is text,
a single letter a variable, `x_i` a subscript, `sum_j` a sum over j, `<=` a relation.
"""

import re

GREEK = {"alpha", "beta", "gamma", "mu", "sigma", "eta", "pi"}
FUNCTIONS = {"exp", "ln", "log", "max", "min", "cos"}
OPERATORS = {"ln", "log", "exp", "cos", "argmax", "argmin"}  # also without a bracket or a subscript
SIGNS = {
    "->": r"\to ", "<-": r"\leftarrow ", "<=": r"\le ", ">=": r"\ge ", "!=": r"\ne ", "||": r"\|", "**": "^", "//": "/",
    "*": r"\cdot ", "%": r"\%", "…": r"\ldots ", "..": r"\ldots ", "−": "-", "{": r"\{", "}": r"\}", "&": r"\&",
    "#": r"\#", "~": r"\sim ", "~=": r"\approx ", "(x)": r"\otimes ", "≥": r"\ge ", "≤": r"\le ", "∈": r"\in ",
}  # fmt: skip
WIDE = 75  # characters of a line whose parts get lines of their own
SUB = r"(?:\{[^{}]*\}|\([^()]*\)|[A-Za-z0-9]+(?:\+1)?\b)"
TOKEN = re.compile(
    rf"""(?P<hyphened>[A-Za-z]+(?:-[a-z]{{3,}})+|[A-Za-z]+'s\b)
    |(?P<name>(?:[A-Za-z][A-Za-z0-9]*)(?:_(?!{{|\()[A-Za-z]+(?=_))*(?:_{SUB})?)(?P<prime>'*)
    |(?P<norm>\|\|_(?P<order>\w))
    |(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)
    |(?P<power>(?:\^|\s\*\*\s)(?P<exponent>\([^()]*(?:\([^()]*\)[^()]*)*\)|\{{[^{{}}]*\}}|-?[A-Za-z0-9]+(?:_[A-Za-z0-9]+)?))
    |(?P<sign>\(x\)(?=\s[\[(a-z])|->|<-|<=|>=|!=|~=|\|\||//|\.\.|[*%…−&#~≥≤∈{{}}])
    |(?P<left><(?=[A-Za-z]))
    |(?P<right>(?<=[\w\]}})])>)
    |(?P<space>\s+)
    |(?P<other>.)""",
    re.VERBOSE,
)


def tex(formula: str) -> str:
    r"""Return the lines of a formula as one aligned block of TeX.

    >>> print(tex("s_i = sum over j of exp(-gamma * d_ij),   d <= 1"))
    \begin{aligned}
    & s_{i} = \text{ sum over } j \text{ of } \exp (- \gamma \cdot  d_{ij}),\qquad d \le  1
    \end{aligned}
    """
    lines = [line.strip().replace("`", "") for line in formula.splitlines() if line.strip()]
    rows = []
    for line in lines:
        parts = [_part(part) for part in re.split(r" {3,}", line)]
        rows += [r"\qquad ".join(parts)] if len(line) <= WIDE else [parts[0], *(rf"\quad {part}" for part in parts[1:])]
    return "\\begin{aligned}\n" + " \\\\\n".join(f"& {row}" for row in rows) + "\n\\end{aligned}"


def _part(part: str) -> str:
    """A part of a line: its tokens as TeX, words in a row as one text."""
    if "sqrt(" in part:
        before, inside, after = _root(part)
        return " ".join(filter(None, (_part(before), rf"\sqrt{{{_part(inside)}}}", _part(after))))
    made: list[str] = []
    words: list[str] = []

    def flush() -> None:
        if words:
            made.append(rf"\text{{ {' '.join(words)} }}")
            words.clear()

    tokens = list(TOKEN.finditer(part))
    for i, token in enumerate(tokens):
        following = part[token.end() : token.end() + 1]
        if token["space"]:
            continue
        if _is_word(token, following) or (token["name"] == "a" and words and _next_is_word(tokens, i, part)):
            words.append(token[0].replace("_", r"\_"))
            continue
        flush()
        made.append(_symbol(token, following))
    flush()
    return " ".join(made).replace(" ,", ",").replace("( ", "(").replace(" )", ")")


def _root(part: str) -> tuple[str, str, str]:
    """What is before a square root, under it and behind."""
    start = part.index("sqrt(") + len("sqrt(")
    depth, end = 1, start
    while depth and end < len(part):
        depth += {"(": 1, ")": -1}.get(part[end], 0)
        end += 1
    return part[: start - len("sqrt(")], part[start : end - 1], part[end:]


def _is_word(token: "re.Match[str]", following: str) -> bool:
    name = token["name"]
    if token["hyphened"]:
        return True
    if not name or token["prime"] or following == "(" or name in GREEK | OPERATORS | {"lam", "dL", "df", "dw", "dt"}:
        return False
    base, _, sub = name.rpartition("_")
    if base in GREEK:
        return False
    return (not base and len(name) > 1) or (len(sub) > 3 and sub.isalpha() and sub.islower())


def _next_is_word(tokens: "list[re.Match[str]]", i: int, part: str) -> bool:
    later = next((token for token in tokens[i + 1 :] if not token["space"]), None)
    return later is not None and _is_word(later, part[later.end() : later.end() + 1])


def _symbol(token: "re.Match[str]", following: str) -> str:
    """A token that is no word, as TeX."""
    if token["name"]:
        return _name(token["name"], following) + token["prime"]
    if token["power"]:
        return f"^{{{_part(token['exponent'].strip('(){}'))}}}"
    if token["number"]:
        return re.sub(r"^1e(-?\d+)$", r"10^{\1}", token["number"])
    signs = {"norm": rf"\|_{{{token['order']}}}", "left": r"\langle ", "right": r"\rangle "}
    return signs.get(str(token.lastgroup), SIGNS.get(token[0], token[0]))


def _name(name: str, following: str) -> str:
    base, _, sub = name.rpartition("_")
    base, sub = (base, sub) if base else (name, "")
    base = {"lam": "lambda"}.get(base, base)
    if base in GREEK | FUNCTIONS | {"lambda"}:
        shown = f"\\{base}"
    elif base in OPERATORS - FUNCTIONS | {"sum", "floor"}:
        shown = r"\sum" if base == "sum" else rf"\operatorname{{{base}}}"
    else:
        escaped = base.replace("_", r"\_")
        shown = base if len(base) == 1 else rf"\{'operatorname' if following == '(' else 'mathrm'}{{{escaped}}}"
    if not sub:
        return shown
    if sub.isalpha() and len(sub) > 3:
        return rf"{shown}_{{\text{{{sub}}}}}"
    inner = sub if sub.isalnum() else _part(sub[1:-1] if sub[0] == "{" else sub)
    return f"{shown}_{{{inner}}}"
