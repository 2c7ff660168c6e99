"""Codes and graphs on the disk: what differs from what was written is seen, and made again."""

import shutil

import numpy as np
import pytest
from index.test_collection import agrees, put, spec_of
from support.faults import damages, files_of, some, tried

from windowshop.engines.sealed import damaged_files
from windowshop.index.catalogue.collection import Collection

STATE = {f"p{i}": 1 for i in range(12)}


@pytest.fixture(params=[("flat", "fused.codes"), ("zvec", "fused.graph")])
def closed(request, tmp_path):
    """A collection that was closed, and its sealed file or folder."""
    kind, name = request.param
    collection = Collection(tmp_path / "whole", spec_of(kind))
    put(collection, STATE)
    collection.optimise()
    collection.close()
    return tmp_path / "whole", name


def test_every_damage_is_seen_and_made_again(closed, tmp_path):
    folder, name = closed
    whole = folder / "engine-1"
    assert damaged_files(whole) == []
    num_files = 0
    for path in files_of(folder):
        if name not in path or path.endswith(f"{name}.json"):
            continue
        num_files += 1
        kinds = list(damages((folder / path).read_bytes(), some(1, 4)))
        for kind, damaged in kinds[num_files % 6 :: some(6, 1)]:
            used = shutil.copytree(folder, tmp_path / "used")
            (used / path).unlink() if damaged is None else (used / path).write_bytes(damaged)
            assert len(damaged_files(used / "engine-1")) == 1, (path, kind)
            with_it = Collection(used)
            agrees(with_it, STATE)
            with_it.close()
            assert damaged_files(next(used.glob("engine-*"))) == []
            tried("damage", "codes and graphs", outcome="same")
            shutil.rmtree(used)
    assert num_files


def test_a_damaged_seal_is_as_bad_as_the_file(closed):
    folder, name = closed
    (folder / "engine-1" / f"{name}.json").write_text("{}")
    assert "cannot be compared" in damaged_files(folder / "engine-1")[0]
    collection = Collection(folder)
    agrees(collection, STATE)
    collection.close()


def test_a_copy_of_a_process_that_died_is_opened(closed, tmp_path):
    """A graph that changed since its seal has none."""
    folder, _ = closed
    collection = Collection(folder)
    put(collection, {"new": 1})
    shutil.copytree(folder, tmp_path / "killed")
    collection.close()
    assert damaged_files(tmp_path / "killed" / "engine-1") == []
    with_it = Collection(tmp_path / "killed")
    agrees(with_it, STATE | {"new": 1})
    with_it.close()
    assert np.all([damaged_files(path) == [] for path in (tmp_path / "killed").glob("engine-*")])
