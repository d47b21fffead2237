"""Record on several devices with Ray Train as the launcher: lines with an arrow are datapare's.

    python examples/with_ray_train.py [FOLDER]

Ray Train starts the workers, on this machine or on a cluster, and connects them; each makes the same call, they train
together, and the first one writes the record. Ray Train needs nothing else of it: datapare resumes from its own
checkpoint, so a worker that is lost is started again by `FailureConfig`. On a cluster the folder and the dataset lie at
the same path of every machine.
"""

import sys
from pathlib import Path

import numpy as np
import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from sklearn.datasets import load_digits

import datapare as dp

WORKERS, CPUS = 2, 1  # CPUs of each worker


def work(given):
    dp.record(given["data"], epochs=2, out=given["out"], progress=False)  # <-- in every worker


def main(folder):
    trainer = TorchTrainer(
        work,
        train_loop_config={"data": str(folder / "digits.npz"), "out": str(folder / "dynamics")},
        scaling_config=ScalingConfig(num_workers=WORKERS, resources_per_worker={"CPU": CPUS}),
        run_config=RunConfig(storage_path=str(folder / "ray"), failure_config=FailureConfig(max_failures=2)),
    )
    trainer.fit()
    dynamics = dp.load(folder / "dynamics")
    print(f"recorded {dynamics.epochs} epochs of {len(dynamics):,} digits, workers: {WORKERS}")


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "ray-train-run").absolute()
    place.mkdir(exist_ok=True)
    images, labels = load_digits(return_X_y=True)
    np.savez(place / "digits.npz", x=(images.reshape(-1, 8, 8) * 15.9).astype(np.uint8), y=labels)
    ray.init(
        address="local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False
    )  # on a cluster: ray.init()
    main(place)
    ray.shutdown()
