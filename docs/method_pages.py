"""Write a page per method, with its formula rendered; `conf.py` calls this before the site is built."""

import re
from inspect import Parameter
from pathlib import Path

from formulas import tex

from datapare.methods.registry import METHOD_GROUPS, Method, find, names
from datapare.methods.signals import SIGNALS, how_to_provide, source_of

FLAG = {"score": "--score", "select": "--rule", "extrapolate": "--method", "metric": "--method", "perturb": "--method"}
GROUP = {
    "score": "Score", "select": "Selection rule", "extrapolate": "Extrapolation", "metric": "Metric",
    "perturb": "Perturbation",
}  # fmt: skip
COMMAND = {
    "score": "datapare score RUN", "select": "datapare select RUN --keep 0.3",
    "extrapolate": "datapare extrapolate RUN", "metric": "datapare measure PATH",
    "perturb": "datapare perturb PATH --out changed",
}  # fmt: skip
NOTES = {
    "Not for": "When not", "Cost": "Cost", "Published": "As published", "Released": "Where the released code differs",
    "Ours": "Where this differs", "Measured": "Measured here",
}  # fmt: skip


def write_pages(folder: Path) -> None:
    """Write `GROUP-NAME.md` of every method into a folder, and remove pages of methods that are gone."""
    folder.mkdir(exist_ok=True)
    pages = {f"{group}-{name}.md": page(find(group, name)) for group in METHOD_GROUPS for name in names(group)}
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text:
            (folder / name).write_text(text, encoding="utf-8")


def page(method: Method) -> str:
    """Return the page of a method."""
    formula = method.doc.partition("\n\n")[2].partition("\nSource")[0]
    parts = [
        f"# {method.name}",
        f"{GROUP[method.group_name]}. {method.title[:1].upper()}{method.title[1:]}",
        f"```{{math}}\n{tex(formula)}\n```",
        f"```sh\n{COMMAND[method.group_name]} {FLAG[method.group_name]} {method.name}\n```",
        f"**Source.** {_linked(method.section('Source'))}",
        f"**Reads.** {method.section('Reads')}",
        *_inputs(method),
        f"**For** {', '.join(method.kinds)} data.",
        *_params(method),
    ]
    parts += [
        f"**{title}.** {text[:1].upper()}{text[1:]}"
        for label, title in NOTES.items()
        if (text := method.section(label))
    ]
    return "\n\n".join(part.replace("$", r"\$") for part in parts) + "\n"


def _linked(source: str) -> str:
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", source)


def _inputs(method: Method) -> list[str]:
    """What a record holds only on request, and how to get it."""
    extra = [name for name in method.reads if (known := SIGNALS.get(source_of(name))) and not known.by_default]
    return [f"- `{name}`: {_with_code(how_to_provide(name))}" for name in extra]


def _with_code(text: str) -> str:
    """A sentence that ends in a command or a call, with that as code."""
    said, call = re.fullmatch(r"(.*?)(datapare \w+ PATH .*|Dynamics\(.*)", text, re.DOTALL).groups()
    return f"{said}`{call}`"


def _params(method: Method) -> list[str]:
    if not method.params:
        return ["**Parameters.** None."]
    rows = [f"| `--{name.replace('_', '-')}` | {_default(p)} | {_range(method, name)} | {method.describe_param(name)} |"
            for name, p in method.params.items()]  # fmt: skip
    return ["**Parameters.**", "| flag | default | values | meaning |\n|---|---|---|---|\n" + "\n".join(rows)]


def _default(parameter: Parameter) -> str:
    if parameter.default is Parameter.empty:
        return "required"
    return "" if parameter.default is None else f"`{parameter.default}`"


def _range(method: Method, name: str) -> str:
    choices = getattr(method.params[name].annotation, "__args__", ())
    if choices and all(isinstance(one, str) for one in choices):
        return ", ".join(f"`{one}`" for one in choices)
    return str(method.ranges.get(name, ""))
