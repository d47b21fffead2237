"""Read format 1 (datapare 0.1), which used other words for the same things, as format 2."""

from pathlib import Path

from datapare.errors import InputError
from datapare.storage.reading import JsonObject

KEYS = {"noun": "artifact", "recipe": "provenance", "verb": "step", "knobs": "params"}
PARAMS = {"batch": "batch_size"}  # of a recording
STEPS = {"scenario": "perturb", "gauge": "measure", "curve": "sweep", "average": "average_scores"}


def from_format_1(meta: JsonObject, path: Path) -> JsonObject:
    """Return the content of a `meta.json` with the keys and steps of format 2; raises InputError when it is damaged."""
    renamed = {KEYS.get(key, key): value for key, value in meta.items()}
    artifact = "perturbation" if renamed.get("artifact") == "scenario" else renamed.get("artifact")
    try:
        stored = {KEYS.get(key, key): value for key, value in renamed["fields"].items()}
        stored["provenance"] = _provenance(stored["provenance"])
        if artifact == "comparison":
            stored["roles"] = [_role(arm) for arm in stored["arms"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged (no {error}); make the artifact again.") from error
    return {**renamed, "artifact": artifact, "fields": stored}


def _role(arm: str) -> str:
    """Return the role of an arm; in format 1 only its name says so."""
    return "full" if arm == "full" else "random" if arm.startswith("random") else "subset"


def _provenance(value: JsonObject) -> JsonObject:
    renamed = {KEYS.get(key, key): item for key, item in value.items()}
    renamed["step"] = STEPS.get(renamed["step"], renamed["step"])
    renamed["parents"] = [_provenance(parent) for parent in renamed["parents"]]
    if renamed["step"] == "record":
        renamed["params"] = {PARAMS.get(name, name): item for name, item in renamed["params"].items()}
    return renamed
