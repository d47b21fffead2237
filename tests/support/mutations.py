"""Small changes to the bytes of files, as a bad disk, a cut download or a stranger makes them."""

import random
from pathlib import Path

INTERESTING = (
    b"\x00",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\xff" * 8,
    b"../../",
    b"\n",
    b",",
    b'"',
    b"{",
    b"[",
    b"NaN",
    b"\xef\xbb\xbf",
)


def mutated(whole: bytes, seed: int) -> bytes:
    """Some bytes changed, inserted, removed, repeated or cut off."""
    rng = random.Random(seed)  # noqa: S311
    content = bytearray(whole)
    for _ in range(rng.choice((1, 1, 1, 4, 16))):
        at = rng.randrange(len(content) + 1)
        match rng.randrange(6):
            case 0 if content:
                content[min(at, len(content) - 1)] ^= 1 << rng.randrange(8)
            case 1:
                content[at:at] = rng.choice(INTERESTING)
            case 2:
                del content[at : at + rng.choice((1, 2, 8, 64))]
            case 3:
                content[at:at] = content[at : at + rng.choice((1, 8, 64))]
            case 4:
                del content[at:]
            case _:
                new = rng.choice(INTERESTING)
                content[at : at + len(new)] = new
    return bytes(content)


def mutate_one(root: Path, seed: int) -> Path:
    """Change one file of a dataset, or below it; returns which."""
    files = [root] if root.is_file() else sorted(file for file in root.rglob("*") if file.is_file())
    file = files[random.Random(seed).randrange(len(files))]  # noqa: S311
    file.write_bytes(mutated(file.read_bytes(), seed))
    return file
