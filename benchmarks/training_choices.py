"""What was tried to train faster and what it gains: torch.compile, decoding once, mapped files.

    python benchmarks/training_choices.py [--seconds 8]    a quarter of an hour, one thread

`compile`: the fastest forward and backward pass of `seconds`, compiled and not, in turns, and what the first one took,
which compiles, into an empty cache. `decoding`: what opening and decoding a folder of JPEGs takes beside the training
on them that `prune` would choose. `mapped`: batches from a mapped file that is not in memory, taken as they come or
announced before (rows.py). Data are random: only time is measured.
"""

import argparse
import io
import json
import math
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import cross_entropy

from datapare.data import Encoding, Inputs, encode, open_dataset
from datapare.training.autotune import forward
from datapare.training.batches import BatchSource
from datapare.training.compute import with_defaults
from datapare.training.config import TrainingConfig
from datapare.training.loop import train
from datapare.training.networks.factory import build
from datapare.training.presets import choose
from training_speed import CASES, conditions

RESULTS = Path(__file__).parent / "results" / "training_choices.json"
MORE = {"resnet8 width 16, 28 px": ("resnet8", 16, 28, 1, 64, 0)}


def compiled(case, seconds):
    """Images/s of the fastest step, compiled and not, and how long the first compiled one took."""
    name, width, pixels, channels, batch, _ = case
    rng = np.random.default_rng(0)
    array = torch.from_numpy(rng.integers(0, 256, (batch, pixels, pixels, channels), dtype=np.uint8))
    inputs = Inputs(array.numpy(), Encoding("image", pixels, pixels, channels))
    training = with_defaults(TrainingConfig(epochs=1, batch_size=batch, model=name, width=width), inputs)
    label = torch.from_numpy(rng.integers(0, 10, batch))
    network = build(training, inputs, 10).train()
    ways = {"eager": training, "compiled": replace(training, compiled=True)}
    start = time.perf_counter()
    steps = {way: forward(network, array, label, settings) for way, settings in ways.items()}
    best, first = dict.fromkeys(ways, math.inf), 0.0
    until = None
    while until is None or time.perf_counter() < until:
        for way, step in steps.items():
            begun = time.perf_counter()
            cross_entropy(step(array), label).backward()
            best[way] = min(best[way], time.perf_counter() - begun)
        if until is None:
            first, until = time.perf_counter() - start, time.perf_counter() + seconds
    return {
        "images_per_second": {way: round(batch / took, 1) for way, took in best.items()},
        "ratio": round(best["eager"] / best["compiled"], 3),
        "seconds_to_compile": round(first, 1),
    }


def folder_of_jpegs(folder, count, side):
    """Write `count` different files, of 50 pictures of side x 4/3 side pixels, in two classes."""
    rng, made = np.random.default_rng(0), []
    for _ in range(50):
        coarse = rng.integers(0, 256, (side // 16, side * 4 // 3 // 16, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(coarse).resize((side * 4 // 3, side), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
        made.append(buffer.getvalue())
    for i in range(count):
        place = folder / f"class{i % 2}"
        place.mkdir(exist_ok=True)
        (place / f"{i:06d}.jpg").write_bytes(made[i % 50] + i.to_bytes(8, "little"))  # decoders ignore what follows


def decoding(count=4000, side=256):
    """Seconds to open and to decode a folder of JPEGs, and to train one epoch on a part of it as prune would."""
    with tempfile.TemporaryDirectory() as place:
        folder_of_jpegs(Path(place), count, side)
        start, cpu = time.perf_counter(), time.process_time()
        data = open_dataset(place)
        opened, opened_cpu = time.perf_counter() - start, time.process_time() - cpu
        start, cpu = time.perf_counter(), time.process_time()
        inputs = encode(data)
        decoded, decoded_cpu = time.perf_counter() - start, time.process_time() - cpu
    training = replace(choose(inputs, 2), epochs=1, schedule_epochs=None)
    trained = train(inputs, data.label, 2, training, seed=0, index=np.arange(256))
    return {
        "images": count,
        "pixels": [side * 4 // 3, side],
        "decoded_to": list(inputs.array.shape[1:]),
        "open_seconds": round(opened, 2),
        "open_cpu_seconds": round(opened_cpu, 2),
        "decode_seconds": round(decoded, 2),
        "decode_cpu_seconds": round(decoded_cpu, 2),
        "epoch_seconds_for_as_many": round(trained.seconds / 256 * count, 1),
        "epochs_of_the_preset": choose(inputs, 2).epochs,
    }


def mapped(gigabytes=2, batch=64, batches=12):
    """Milliseconds to take a batch of 128-pixel images from a file that is not in memory, announced or not."""
    shape = (gigabytes * 2**30 // (128 * 128 * 3), 128, 128, 3)
    rng, took = np.random.default_rng(0), {"as they come": [], "announced": []}
    with tempfile.NamedTemporaryFile() as file:
        block = rng.integers(0, 256, (500, *shape[1:]), dtype=np.uint8).tobytes()
        for _ in range(-(-shape[0] // 500)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        for _ in range(batches):
            for name, times in took.items():
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                rows = BatchSource(np.memmap(file.name, np.uint8, "r", shape=shape), "image")
                position = rng.integers(0, shape[0], batch)
                start = time.perf_counter()
                if name == "announced":
                    rows.prefetch(position)
                rows.take(torch.from_numpy(position))
                times.append(1000 * (time.perf_counter() - start))
                del rows  # what is mapped is not evicted
    return {"batch": batch, "file_gib": gigabytes, "milliseconds": {n: round(np.median(t), 1) for n, t in took.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8, help="how long the passes of each network are timed")
    arguments = vars(parser.parse_args())
    torch.manual_seed(0)
    torch.set_num_threads(1)
    result = {"claim": "what torch.compile, decoding once and announced rows gain on this machine", "compile": {}}
    result |= {"loadavg": [os.getloadavg()[0]], "conditions": conditions(arguments, __file__)}
    keep(result, "decoding", decoding())
    keep(result, "mapped", mapped())
    for name, case in reversed({**CASES, **MORE}.items()):
        with tempfile.TemporaryDirectory() as cache:
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
            result["compile"][name] = compiled(case, arguments["seconds"])
        keep(result, "compile", result["compile"])


def keep(result, part, found):
    """Write what was measured so far."""
    result[part] = found
    result["loadavg"].append(os.getloadavg()[0])
    print(part, json.dumps(found, indent=1), flush=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
