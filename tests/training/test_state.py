from dataclasses import asdict

import pytest
import torch
from support.kinds import assert_same

from windowshop.errors import ModelError
from windowshop.training.state import TrainState, load_state, save_state


def test_a_state_reads_back_as_it_was(tmp_path):
    state = TrainState(stage=1, step=7, best_score=0.1, best_step=4)
    state.history.append({"stage": "fused", "step": 4, "score": 1 / 3})
    shared = torch.randn(3, 2)
    tensors = {"model/a": shared, "best/a": shared, "optimizer/0.step": torch.tensor(7.0)}
    save_state(tmp_path / "new" / "state.safetensors", state, tensors)
    found, found_tensors = load_state(tmp_path / "new" / "state.safetensors")
    assert asdict(found) == asdict(state)
    assert_same(found_tensors, tensors)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["state.safetensors"]


def test_a_damaged_state_is_named(tmp_path):
    path = tmp_path / "state.safetensors"
    for content in (b"", b"not weights", b"\x08" + 7 * b"\0" + b'{"a": 1}'):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"state\.safetensors: .* Delete this file and run"):
            load_state(path)


def test_no_state_is_a_fresh_one(tmp_path):
    assert load_state(tmp_path / "none.safetensors") == (TrainState(), {})
