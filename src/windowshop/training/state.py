"""State of a training run: where it stands, saved and loaded with a hash of all of it."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import xxhash
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from windowshop.errors import ModelError
from windowshop.files import write_atomic
from windowshop.model import TwoTower
from windowshop.training.distributed import from_first, is_first, tensors_from_first


@dataclass(slots=True)
class TrainState:
    """Progress of a run, beside its tensors."""

    stage: int = 0
    step: int = 0
    best_score: float = -math.inf
    best_step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    """One entry a dev score: stage, step, loss and figures."""
    seconds: float = field(default=0.0, compare=False)
    """Time spent in steps, dev scores and mining."""


def end_stage(path: Path, state: TrainState, model: TwoTower) -> None:
    """Put a run before its next stage, with the model's weights as they are."""
    state.stage, state.step = state.stage + 1, 0
    save_state(path, state, tagged("model", model.state_dict()))


def save_state(path: Path, state: TrainState, tensors: Mapping[str, Tensor]) -> None:
    """Write the state and its tensors as one safetensors file, in the first process."""
    if not is_first():
        return
    unshared = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    note = json.dumps(asdict(state))
    metadata = {"state": note, "hash": _hash(note, unshared)}
    write_atomic(path, lambda aside: save_file(unshared, aside, metadata=metadata))


def load_state(path: Path) -> tuple[TrainState, dict[str, Tensor]]:
    """Read what `save_state` wrote; a fresh state where there is none.

    The first process reads, and gives it to the others. Raises ModelError for a damaged file.
    """
    state, tensors = _read_state(path) if is_first() else (TrainState(), {})
    return TrainState(**from_first(lambda: asdict(state))), tensors_from_first(tensors)


def _read_state(path: Path) -> tuple[TrainState, dict[str, Tensor]]:
    if not path.exists():
        return TrainState(), {}
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if _hash(metadata["state"], tensors) != metadata["hash"]:
            raise ValueError("their hash is not the one that was written")
        return TrainState(**json.loads(metadata["state"])), tensors
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path}: weights in the making cannot be read ({error}). Delete this file and run the "
            "same again: what it holds is trained afresh."
        ) from None


def _hash(note: str, tensors: Mapping[str, Tensor]) -> str:
    """Hash a state's text, and its tensors by name, type and shape."""
    digest = xxhash.xxh3_128(note.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimizer's state by parameter number and name."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{key}": value for i, item in state.items() for key, value in item.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Take the state that `optimizer_tensors` gave."""
    content = optimizer.state_dict()
    content["state"] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        content["state"].setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(content)


def tagged(tag: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors as one part of a state, by `tag/name`."""
    return {f"{tag}/{name}": tensor for name, tensor in tensors.items()}


def part(tensors: Mapping[str, Tensor], tag: str) -> dict[str, Tensor]:
    """Return one part of a state's tensors, for example the `model`, by their own names."""
    prefix = f"{tag}/"
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
