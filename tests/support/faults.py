"""Damage to files, and what comes of it: the same as before, or a named error."""

import ctypes
import json
import os
import random
import shutil
import zlib
from contextlib import contextmanager

import pytest

from windowshop.errors import WindowshopError

SHARE = float(os.environ.get("FAULTS", "0").replace("all", "1"))
"""Share of all faults that is tried: 1 with `make faults`; 0 is the part of each that takes
seconds."""


def some(few, all_of_them):
    """How much to try of something."""
    if all_of_them < few:  # a step: each is tried
        return all_of_them if SHARE else few
    return max(few, round(SHARE * all_of_them))


def tried(kind, what, **found):
    """Note a fault in the file of counts that `make faults` names, for `benchmarks/faults.py`."""
    path = os.environ.get("FAULTS_COUNTS")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, "what": what, **found}) + "\n")


def num_tried(kind, what):
    """Return how many the file of counts has of a fault, from a run that was stopped."""
    path = os.environ.get("FAULTS_COUNTS")
    if not path or not os.path.exists(path):
        return 0
    with open(path, encoding="utf-8") as file:
        found = [json.loads(line) for line in file]
    return sum((line["kind"], line["what"]) == (kind, what) for line in found)


def flips(content, count, seed=0):
    """Contents with one bit changed each, at random places."""
    rng = random.Random(seed)
    for _ in range(count if content else 0):
        changed = bytearray(content)
        changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        yield bytes(changed)


def damages(content, count, seed=0):
    """Ways to damage a file, by name: flipped bits, lengths of its own, zeroed pages, none."""
    yield from ((f"flip {i}", changed) for i, changed in enumerate(flips(content, count, seed)))
    yield "missing", None
    yield "longer", content + b"\0"
    if content:
        yield "empty", b""
        yield "cut in half", content[: len(content) // 2]
        yield "short by one", content[:-1]
        page = len(content) // 2 & ~4095
        zeroed = content[:page] + bytes(len(content[page : page + 4096])) + content[page + 4096 :]
        if zeroed != content:
            yield "zeroed page", zeroed


def files_of(folder):
    """All files of a folder, by their paths in it."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def contents(folder):
    """Every file of a folder by its path, JSON without what tells how and where it was made.

    What SQLite has beside a database while somebody reads it is left out: memory that readers
    share, and a log without a change.
    """
    found = {name: (folder / name).read_bytes() for name in files_of(folder)}
    for name in list(found):
        if name.endswith("-shm") or (name.endswith("-wal") and not found[name]):
            del found[name]
        if name.endswith(".json") and isinstance(read := json.loads(found[name]), dict):
            found[name] = {key: read[key] for key in read if key not in ("environment", "hash")}
    return found


def outcomes(what, whole, tmp_path, answer, same, count):
    """Damage each file of a folder in each way, one at a time, and take answers from the folder.

    `answer(folder)` uses a copy of the folder, `same` compares two answers. Returns the numbers of
    equal answers and of named errors, and a line for everything else.
    """
    expected, equal, named, wrong = answer(whole), 0, 0, []
    copy = shutil.copytree(whole, tmp_path / "damaged")
    for name in files_of(whole):
        content = (whole / name).read_bytes()
        for kind, damaged in damages(content, count, seed=zlib.crc32(name.encode())):
            path = copy / name
            path.unlink() if damaged is None else path.write_bytes(damaged)
            try:
                if same(answer(copy), expected):
                    equal += 1
                    tried("damage", what, outcome="same")
                else:
                    wrong.append(f"{name}, {kind}: another answer")
            except WindowshopError as error:
                named += 1
                tried("damage", what, outcome="named")
                if len(str(error)) < 20:
                    wrong.append(f"{name}, {kind}: the error says only {error}")
            except Exception as error:  # noqa: BLE001
                wrong.append(f"{name}, {kind}: {type(error).__name__}: {error}")
            path.write_bytes(content)
    return equal, named, wrong


@contextmanager
def small_disk(folder, num_bytes):
    """Mount a small file system; skips the test where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder.mkdir(exist_ok=True)

    def mount(flags, size):
        given = (b"tmpfs", str(folder).encode(), b"tmpfs", flags, f"size={size}".encode())
        return libc.mount(*given)

    if mount(0, num_bytes) != 0:
        pytest.skip(f"no file system can be mounted here ({os.strerror(ctypes.get_errno())})")
    try:
        yield lambda size: mount(32, size)  # MS_REMOUNT
    finally:
        libc.umount2(str(folder).encode(), 2)  # MNT_DETACH
