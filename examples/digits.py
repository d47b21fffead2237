"""Write scikit-learn's digits as two files of arrays, one to prune and one held out: `python digits.py FOLDER`."""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

digits = load_digits()
image = (digits.images * (255 / 16)).astype(np.uint8)  # (1797, 8, 8), 0..255
parts = train_test_split(image, digits.target, test_size=0.25, random_state=0, stratify=digits.target)
folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name, x, y in (("digits", parts[0], parts[2]), ("digits-test", parts[1], parts[3])):
    np.savez_compressed(folder / f"{name}.npz", x=x, y=y)
    print(f"{folder / name}.npz: {len(y):,} images")
