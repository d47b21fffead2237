"""One case of benchmarks/peers.py, run by the interpreter of the package it measures; prints its result as JSON."""

# ruff: noqa: D101, D102 (five recorders with the same three methods)

import json
import resource
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

DISTRIBUTION = {"sklearn": "scikit-learn", "submodlib": "submodlib-py", "apricot": "apricot-select",
                "pairwise": "numpy", "by": "numpy"}  # fmt: skip
BATCH = 128


def main():
    order = json.loads(sys.argv[1])
    limit = int(order["gigabytes"] * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    run = {"record": record, "select": select, "labels": labels, "duplicates": duplicates}[order["part"]]
    package = order["name"].partition(" ")[0]
    found = run(order)
    print(json.dumps({**found, "version": version(DISTRIBUTION.get(package, package))}))


def timed(call):
    """What `call` returns; its seconds, processor seconds, and how much the memory of this process grew."""
    before = memory()
    start, used = time.perf_counter(), time.process_time()
    value = call()
    return value, {
        "seconds": round(time.perf_counter() - start, 3),
        "processor_seconds": round(time.process_time() - used, 3),
        "more_mb": memory() - before,
    }


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


# --- recording ---------------------------------------------------------------------------------------------------


def record(order):
    """An epoch in shuffled batches; afterwards every example's margin is compared with one computed at once."""
    import torch

    torch.set_num_threads(1)
    total, classes = order["total"], order["classes"]
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(total, classes, generator=generator)
    label = torch.randint(0, classes, (total,), generator=generator)
    batches = torch.randperm(total, generator=generator).split(BATCH)
    with tempfile.TemporaryDirectory() as folder:
        recorder = RECORDERS[order["name"]](Path(folder), label, classes)
        if order["name"] == "dprune":
            run = recorder(logits)
        else:
            parts = [(index, logits[index], label[index]) for index in batches]

            def run():
                for part in parts:
                    recorder.observe(*part)
                recorder.end()

        _, found = timed(run)
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        right = RECORDERS[order["name"]].check(recorder, logits, label)
    return {**found, "bytes": size, "right": bool(right), "examples": total, "classes": classes}


def margins(logits, label):
    at = label[:, None]
    return (logits.gather(1, at)[:, 0] - logits.scatter(1, at, float("-inf")).amax(dim=1)).numpy()


class Ours:
    def __init__(self, folder, label, classes):
        from datapare.recording import Recorder

        del classes
        self.folder = folder / "record"
        self.recorder = Recorder(self.folder, label.numpy(), epochs=1)

    def observe(self, index, logits, label):
        self.recorder.observe(index, logits, label)

    def end(self):
        self.recorder.end_epoch()
        self.recorder.close()

    def check(self, logits, label):
        import datapare as dp

        return np.allclose(dp.load(self.folder).channels["margin"][0], margins(logits, label), atol=1e-2, rtol=1e-2)


class ByHand:
    """One channel, the margin, in an array."""

    def __init__(self, folder, label, classes):
        del classes
        self.folder, self.margin = folder, np.full(len(label), np.nan, dtype=np.float32)

    def observe(self, index, logits, label):
        self.margin[index.numpy()] = margins(logits, label)

    def end(self):
        np.save(self.folder / "margin.npy", self.margin)

    def check(self, logits, label):
        return np.allclose(self.margin, margins(logits, label), atol=1e-5)


class Aum:
    def __init__(self, folder, label, classes):
        from aum import AUMCalculator

        del label, classes
        self.folder, self.calculator = folder, AUMCalculator(str(folder), compressed=False)

    def observe(self, index, logits, label):
        self.calculator.update(logits, label, index.tolist())

    def end(self):
        self.calculator.finalize()

    def check(self, logits, label):
        import pandas as pd

        table = pd.read_csv(self.folder / "aum_values.csv").set_index("sample_id")["aum"]
        return np.allclose(table.loc[range(len(label))].to_numpy(), margins(logits, label), atol=1e-4)


class DataCull:
    def __init__(self, folder, label, classes):
        from datacull import DCLogger

        del label, classes
        self.folder, self.logger = folder, DCLogger(trajectory_dir=f"{folder}/")

    def observe(self, index, logits, label):
        del label
        self.logger.log_metric(0, index, logits)

    def end(self):
        pass

    def check(self, logits, label):
        del label
        found = np.full(logits.shape, np.nan)
        for line in (self.folder / "epoch0.jsonl").read_text().splitlines():
            ((key, value),) = json.loads(line).items()
            found[int(key)] = value
        return np.allclose(found, logits.numpy(), atol=1e-5)


class DPrune:
    """Its callback makes a pass of its own over the training set; here the network is the identity."""

    def __init__(self, folder, label, classes):
        self.folder, self.label, self.classes = folder, label, classes

    def __call__(self, logits):
        import torch
        from dprune.callbacks import ForgettingCallback
        from transformers import Trainer, TrainingArguments

        class Identity(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = torch.nn.Parameter(torch.zeros(1))

            def forward(self, x, labels):  # noqa: ARG002 (the Trainer passes it by name)
                return {"loss": self.weight.sum(), "logits": x}

        rows = [{"x": x, "labels": y} for x, y in zip(logits, self.label, strict=True)]
        arguments = TrainingArguments(
            str(self.folder), per_device_eval_batch_size=BATCH, report_to=[], disable_tqdm=True
        )
        trainer = Trainer(Identity(), arguments, train_dataset=rows)
        self.callback = ForgettingCallback()
        self.callback.trainer = trainer
        return lambda: self.callback.on_epoch_end(arguments, trainer.state, trainer.control)

    def check(self, logits, label):
        right = (logits.argmax(1) == label).int().tolist()
        return [self.callback.learning_events[i] for i in range(len(label))] == [[one] for one in right]


RECORDERS = {"datapare": Ours, "by hand": ByHand, "aum": Aum, "datacull": DataCull, "dprune": DPrune}


# --- selection ---------------------------------------------------------------------------------------------------


def select(order):
    """Choose n rows; the objectives of all rules are computed in the same way from the positions."""
    h, n = np.load(order["embedding"]), order["n"]
    index, found = timed(lambda: SELECTIONS[order["rule"], order["name"]](h, n))
    index = np.asarray(index).ravel().astype(np.int64)
    return {**found, "n": len(np.unique(index)), "objective": round(OBJECTIVES[order["rule"]](h, index), 4)}


def ours(rule):
    def run(h, n):
        from importlib import import_module

        function = getattr(import_module(f"datapare.methods.select.{rule}"), rule)
        return function(h, n, *([np.random.default_rng(0)] if rule == "k_center" else []))

    return run


def submodlib(mode):
    def run(h, n):
        from submodlib import FacilityLocationFunction

        some = {} if mode == "dense" else {"num_neighbors": 100}
        function = FacilityLocationFunction(n=len(h), mode=mode, data=h, metric="cosine", **some)
        return [i for i, _ in function.maximize(budget=n, optimizer="LazyGreedy", show_progress=False)]

    return run


def apricot(h, n):
    from apricot import FacilityLocationSelection

    return FacilityLocationSelection(n, metric="cosine", optimizer="lazy").fit(h.astype(np.float64)).ranking


def coreax(h, n):
    from coreax import Data
    from coreax.kernels import LinearKernel
    from coreax.solvers import KernelHerding

    coreset, _ = KernelHerding(coreset_size=n, kernel=LinearKernel()).reduce(Data(h - h.mean(axis=0)))
    return np.asarray(coreset.unweighted_indices)


def farthest_first(h, n):
    """Farthest-first traversal by scikit-learn's distances: it has no k-center of its own."""
    from sklearn.metrics import pairwise_distances

    first = int(((h - h.mean(axis=0)) ** 2).sum(axis=1).argmin())
    index, nearest = [first], np.full(len(h), np.inf)
    while len(index) < n:
        nearest = np.minimum(nearest, pairwise_distances(h, h[index[-1:]])[:, 0])
        index.append(int(nearest.argmax()))
    return index


SELECTIONS = {
    ("facility_location", "datapare"): ours("facility_location"),
    ("facility_location", "submodlib"): submodlib("dense"),
    ("facility_location", "submodlib sparse"): submodlib("sparse"),
    ("facility_location", "apricot"): apricot,
    ("k_center", "datapare"): ours("k_center"),
    ("k_center", "sklearn"): farthest_first,
    ("herding", "datapare"): ours("herding"),
    ("herding", "coreax"): coreax,
}


def covered(h, index):
    """Mean similarity 0.5 + 0.5 cos of every row to its most similar chosen one; larger is better."""
    rows = h / np.maximum(np.linalg.norm(h, axis=1, keepdims=True), 1e-12)
    return float(np.mean([0.5 + 0.5 * (part @ rows[index].T).max(axis=1).mean() for part in parts_of(rows)]))


def radius(h, index):
    """Largest distance of a row to its nearest chosen one; smaller is better."""
    square = (h[index] ** 2).sum(axis=1)
    far = [((part**2).sum(axis=1) + (square - 2 * part @ h[index].T).min(axis=1)).max() for part in parts_of(h)]
    return float(np.sqrt(max(far)))


def distance_of_means(h, index):
    """Distance of the mean of the chosen rows from the mean of all; smaller is better."""
    return float(np.linalg.norm(h.mean(axis=0) - h[index].mean(axis=0)))


def parts_of(rows):
    return np.array_split(rows, max(1, len(rows) // 1000))


OBJECTIVES = {"facility_location": covered, "k_center": radius, "herding": distance_of_means}


# --- label issues ------------------------------------------------------------------------------------------------


def labels(order):
    """Rank by cleanlab from probabilities that cross-validation made; how they were paid for is in the order."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    folder = Path(order["folder"])
    label, prob, wrong = (np.load(folder / f"{name}.npy") for name in ("label", "prob", "wrong"))

    def run():
        return find_label_issues(label, prob), get_label_quality_scores(label, prob)

    (flagged, quality), found = timed(run)
    return {
        **found,
        **ranking(-quality, wrong),
        "flagged": int(flagged.sum()),
        "precision": round(float(wrong[flagged].mean()), 4) if flagged.any() else None,
        "recall": round(float(wrong[flagged].sum() / wrong.sum()), 4),
        "trainings": order["trainings"],
        "training_seconds": order["training_seconds"],
    }


def ranking(issue_score, wrong):
    """Average precision, and precision of as many as are wrong."""
    order = np.argsort(-issue_score, kind="stable")
    hit = wrong[order]
    precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)
    return {
        "average_precision": round(float(precision[hit].mean()), 4),
        "precision_at_wrong": round(float(hit[: int(wrong.sum())].mean()), 4),
        "wrong": int(wrong.sum()),
    }


# --- near-duplicates ---------------------------------------------------------------------------------------------


def duplicates(order):
    """Which of the copies are found, and how many other images are called copies."""
    folder = Path(order["folder"])
    (found_copies, others), found = timed(lambda: DUPLICATES[order["name"]](folder))
    copies = sum(1 for _ in (folder / "copies").iterdir())
    return {**found, "recall": round(found_copies / copies, 4), "others": others, "copies": copies}


def ours_of_files(folder):
    import datapare as dp
    from datapare.data.leakage import near_duplicates

    pairs = near_duplicates(*(dp.open_dataset(folder / f"{part}.csv") for part in ("train", "copies")))
    return counted(pairs[:, 0], pairs[:, 1], folder)


def counted(copy, original, folder):
    """How many copies were matched with their originals, and how many with another image."""
    true = np.load(folder / "original.npy")
    right = true[np.asarray(copy, int)] == np.asarray(original, int)
    return int(right.sum()), int((~right).sum())


def pairwise(folder):
    """All pairs of grey thumbnails, written plainly."""
    from PIL import Image

    def grey(place):
        files = sorted((folder / place).iterdir())
        return np.stack([np.asarray(Image.open(f).convert("L").resize((16, 16), 4), np.float32).ravel() for f in files])

    train, copies = grey("train"), grey("copies")
    square, copy, original = (train**2).sum(axis=1), [], []
    for i, one in enumerate(copies):
        distance = square - 2 * train @ one + one @ one
        best = int(distance.argmin())
        if distance[best] <= (3.0 * 16) ** 2:
            copy.append(i)
            original.append(best)
    return counted(copy, original, folder)


def by_phash(folder):
    """Its perceptual hash, at the distance of up to 10 bits that it proposes."""
    from imagededup.methods import PHash

    hasher = PHash(verbose=False)
    codes = {f"{part}/{name}": code for part in ("train", "copies")
             for name, code in hasher.encode_images(folder / part, num_enc_workers=0).items()}  # fmt: skip
    near = hasher.find_duplicates(encoding_map=codes, max_distance_threshold=10, num_dist_workers=0)
    true, hits, others = np.load(folder / "original.npy"), 0, 0
    for name, found in near.items():
        part, _, file = name.partition("/")
        if part == "copies":
            original = f"train/{true[int(file.partition('.')[0])]:06}.png"
            hits += original in found
            others += sum(one.startswith("train/") and one != original for one in found)
    return hits, others


def by_fastdup(folder):
    import fastdup

    with tempfile.TemporaryDirectory() as work:
        fd = fastdup.create(work_dir=work, input_dir=str(folder))
        fd.run(ccthreshold=0.9, threshold=0.9, print_summary=False)
        table = fd.similarity()
    true, hits, others = np.load(folder / "original.npy"), set(), 0
    for a, b in zip(table["filename_from"], table["filename_to"], strict=True):
        one, other = sorted((Path(a), Path(b)), key=lambda path: path.parent.name)
        if (one.parent.name, other.parent.name) == ("copies", "train"):
            same = true[int(one.stem)] == int(other.stem)
            hits |= {one.stem} if same else set()
            others += not same
    return len(hits), others


DUPLICATES = {"datapare": ours_of_files, "pairwise": pairwise, "imagededup": by_phash, "fastdup": by_fastdup}


if __name__ == "__main__":
    main()
