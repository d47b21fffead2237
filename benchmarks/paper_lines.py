"""The lines of paper.py: one for each finished run, and the table that they make."""

import hashlib
import json
import os
import platform
import statistics
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).parent
PUBLISHED = json.loads((HERE / "published.json").read_text(encoding="utf-8"))
FIELDS = ("dataset", "base", "digest", "protocol", "score_model", "model", "rule", "pruned", "seed")


def lines(out: Path) -> list[dict[str, Any]]:
    """Every whole line; one that was cut short by a crash is left out."""
    if not out.is_file():
        return []
    text = out.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        out.write_text(whole, encoding="utf-8")
    return [json.loads(line) for line in whole.splitlines()]


def finished(out: Path) -> set[str]:
    """The runs that have their line."""
    out.parent.mkdir(parents=True, exist_ok=True)
    return {json.dumps({name: row[name] for name in FIELDS}) for row in lines(out)}


def conditions() -> dict[str, Any]:
    """On what it ran."""
    script = b"".join((HERE / name).read_bytes() for name in ("paper.py", "paper_lines.py", "paper_rules.py"))
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} cores"
    return {
        "device": device, "threads": torch.get_num_threads(), "loadavg": round(os.getloadavg()[0], 1),
        "machine": platform.platform(),
        "versions": {name: version(name) for name in ("datapare", "torch", "numpy")},
        "script_sha256": hashlib.sha256(script).hexdigest(),
    }  # fmt: skip


def table(dataset: str, out: Path, order: list[str]) -> str:
    """Every rule and ratio: our mean, deviation and number of seeds, beside what was published."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in lines(out):
        if row["dataset"] == dataset:
            place = (row["protocol"], row["score_model"], row["model"], -row["pruned"], order.index(row["rule"]))
            found.setdefault(place, []).append(row)
    text = [f"{'rule':12} {'pruned':>6}  {'ours':>22}  published"]
    for (protocol, *networks, _, _), rows in sorted(found.items()):
        values = [row["accuracy"] for row in rows]
        spread = f" +- {statistics.stdev(values):.2f}" if len(values) > 1 else ""
        ours = f"{statistics.mean(values):.2f}{spread} ({len(values)})"
        value, mark = rows[0]["published"], rows[0]["mark"]
        theirs = "-" if value is None else f"{value:.2f} {mark}"
        note = "" if protocol == "paper" else f"  [{protocol}, no match expected]"
        other = "" if len(set(networks)) == 1 else f"  [{networks[0]} scored, {networks[1]} trained]"
        text.append(f"{rows[0]['rule']:12} {rows[0]['pruned']:>4} %  {ours:>22}  {theirs}{note}{other}")
    return "\n".join(text)
