# Made by `make docs` from `datapare.__init__`.

from datapare import methods as methods
from datapare.artifacts import Comparison as Comparison
from datapare.artifacts import Dynamics as Dynamics
from datapare.artifacts import Perturbation as Perturbation
from datapare.artifacts import Provenance as Provenance
from datapare.artifacts import Scores as Scores
from datapare.artifacts import Subset as Subset
from datapare.cli.environment import doctor as doctor
from datapare.data import Dataset as Dataset
from datapare.data import Inspection as Inspection
from datapare.data import export as export
from datapare.data import inspect as inspect
from datapare.data import open_dataset as open_dataset
from datapare.data import perturb as perturb
from datapare.errors import DatapareError as DatapareError
from datapare.errors import InputError as InputError
from datapare.evaluation.advice import advise as advise
from datapare.evaluation.comparison import compare as compare
from datapare.evaluation.keep_sweep import sweep as sweep
from datapare.evaluation.label_issue_check import check_label_issues as check_label_issues
from datapare.evaluation.verdicts import verdict as verdict
from datapare.methods.dataset_metrics import measure as measure
from datapare.methods.extrapolation import extrapolate as extrapolate
from datapare.methods.label_issues import label_issues as label_issues
from datapare.methods.scoring import average_scores as average_scores
from datapare.methods.scoring import reorder as reorder
from datapare.methods.scoring import score as score
from datapare.methods.selection import select as select
from datapare.pipeline.cost_estimate import estimate_cost as estimate_cost
from datapare.pipeline.demo import demo as demo
from datapare.pipeline.description import show as show
from datapare.pipeline.label_decisions import read_decisions as read_decisions
from datapare.pipeline.pruning import prune as prune
from datapare.pipeline.run_folder import RunFolder as RunFolder
from datapare.pipeline.steps import set_embedding as set_embedding
from datapare.recording import Recorder as Recorder
from datapare.reporting import report as report
from datapare.reporting.hub import push_to_hub as push_to_hub
from datapare.storage import load as load
from datapare.storage import save as save
from datapare.training import online as online
from datapare.training import record as record

__all__ = [
    "Comparison",
    "DatapareError",
    "Dataset",
    "Dynamics",
    "InputError",
    "Inspection",
    "Perturbation",
    "Provenance",
    "Recorder",
    "RunFolder",
    "Scores",
    "Subset",
    "advise",
    "average_scores",
    "check_label_issues",
    "compare",
    "demo",
    "doctor",
    "estimate_cost",
    "export",
    "extrapolate",
    "inspect",
    "label_issues",
    "load",
    "measure",
    "methods",
    "online",
    "open_dataset",
    "perturb",
    "prune",
    "push_to_hub",
    "read_decisions",
    "record",
    "reorder",
    "report",
    "save",
    "score",
    "select",
    "set_embedding",
    "show",
    "sweep",
    "verdict",
]
