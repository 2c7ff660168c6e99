"""Processes that train one model together, as torchrun starts them; alone, every call is identity.

All processes draw the same batch. It is cut into shards, whose random numbers are functions of the
step and the shard; each process computes a run of them. Its loss is its queries' part of the
batch's, with the products of all as columns, so gradients summed over the processes are those of
the batch. Weights are equal everywhere, and the first process alone writes, scores and prints.

Shapes: N rows of all processes, R of this one, X any further shape, C products.
"""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from windowshop.encoders import pick_device
from windowshop.errors import ConfigError, DistributedError, first_line

MIN_SHARD_ROWS = 128
"""Rows of a shard, at the least: smaller products of matrices cost more a row."""
STEP_TIMEOUT = timedelta(minutes=10)
"""Longest wait for the others within a step."""
WAIT_TIMEOUT = timedelta(days=7)
"""Longest wait for what one process does for all: encode, score, mine. One that ends is noticed at
once."""
TURNS = 3
"""The first process, the first one of each machine, the others."""
T = TypeVar("T")


def size() -> int:
    """Return the number of processes that train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process, from 0 on."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Return whether this process writes, scores and prints."""
    return rank() == 0


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Join the processes that torchrun started, if it did, for the block.

    They meet by NCCL where `device` is a GPU, each on its own, else by Gloo. Raises
    DistributedError where the others cannot be reached, ConfigError where there are too few GPUs.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    on_gpu = pick_device(device).type == "cuda"
    if on_gpu and _local_rank() >= torch.cuda.device_count():
        raise ConfigError(
            f"process {_local_rank()} of this machine has no GPU of its own, of the "
            f"{torch.cuda.device_count()} here. Start one process a GPU, or set device: cpu."
        )
    if on_gpu:
        torch.cuda.set_device(_local_rank())
    try:
        with _named():
            dist.init_process_group("nccl" if on_gpu else "gloo", timeout=STEP_TIMEOUT)
        yield
    finally:
        _waiting.cache_clear()
        if dist.is_initialized():
            dist.destroy_process_group()


@dataclass(frozen=True, slots=True)
class Shards:
    """Rows of a batch, cut into shards; each process has a run of them, which may be empty."""

    edges: np.ndarray
    """Shard i has the rows `edges[i]` to `edges[i + 1]`."""

    @property
    def counts(self) -> list[int]:
        """Number of rows of each process."""
        bounds = self._bounds(np.arange(size() + 1))
        counts: list[int] = np.diff(self.edges[bounds]).tolist()
        return counts

    @property
    def own(self) -> slice:
        """Rows of this process."""
        first, end = self.edges[self._bounds(np.array([rank(), rank() + 1]))].tolist()
        return slice(first, end)

    def encode(
        self,
        compute: Callable[[np.ndarray, np.random.Generator], Sequence[Tensor]],
        rng: np.random.Generator,
    ) -> list[Tensor]:
        """Return what `compute` makes of the rows of this process, shard by shard, joined.

        It gets a shard's rows and a generator of its own; torch's numbers are the shard's, too.
        """
        seed = int(rng.integers(2**62))
        first, end = self._bounds(np.array([rank(), rank() + 1])).tolist()
        if self.edges[first] == self.edges[end]:
            with torch.no_grad():
                return list(compute(np.zeros(0, dtype=np.int64), np.random.default_rng(0)))
        parts = []
        for shard in range(first, end):
            sequence = np.random.SeedSequence([seed, shard])
            torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> 1))
            rows = np.arange(self.edges[shard], self.edges[shard + 1])
            parts.append(compute(rows, np.random.default_rng(sequence)))
        return [_joined(tensors) for tensors in zip(*parts, strict=True)]

    def gather(self, *own_RX: Tensor) -> list[Tensor]:
        """Return the rows of all processes, (N, X) each; differentiable.

        The gradient that comes back is the sum of all processes'.
        """
        if size() == 1:
            return list(own_RX)
        wide_RY = torch.cat([x.flatten(1) for x in own_RX], dim=1)
        if torch.is_grad_enabled() and not wide_RY.requires_grad:
            wide_RY.requires_grad_()  # backward is called everywhere, or nowhere
        wide_NY: Tensor = _Gather.apply(wide_RY, self.counts)  # type: ignore[no-untyped-call]
        parts = torch.split(wide_NY, [math.prod(x.shape[1:]) for x in own_RX], dim=1)
        return [
            part.reshape(len(part), *x.shape[1:]) for part, x in zip(parts, own_RX, strict=True)
        ]

    def _bounds(self, rank: np.ndarray) -> np.ndarray:
        return rank * (len(self.edges) - 1) // size()


def cut(num_rows: int, max_shards: int) -> Shards:
    """Cut rows into as many shards as they fill, `max_shards` at most; processes do not matter."""
    num_shards = min(max_shards, max(1, num_rows // MIN_SHARD_ROWS))
    return Shards(np.arange(num_shards + 1) * num_rows // num_shards)


def everyones(own_RX: Tensor) -> tuple[Tensor, slice]:
    """Return the rows of all processes, in their order, and where this one's are.

    Every process may have another number of rows; not differentiable.
    """
    if size() == 1:
        return own_RX, slice(0, len(own_RX))
    count = torch.tensor([len(own_RX)], device=own_RX.device)
    counts = torch.cat(_all_gather(count)).tolist()
    start = sum(counts[: rank()])
    return _gather_rows(own_RX, counts), slice(start, start + len(own_RX))


def total(x: Tensor) -> Tensor:
    """Return the sum over the processes; not differentiable."""
    return _reduce(x.detach().clone(), dist.ReduceOp.SUM)


def largest(x: Tensor) -> Tensor:
    """Return the largest value over the processes, element by element; not differentiable."""
    return _reduce(x.detach().clone(), dist.ReduceOp.MAX)


def logsumexp(x_C: Tensor) -> Tensor:
    """Return log(sum of exp x) over the processes, element by element; differentiable."""
    if size() == 1:
        return x_C
    largest_C = largest(x_C)
    total_C: Tensor = _Total.apply((x_C - largest_C).exp())  # type: ignore[no-untyped-call]
    return largest_C + total_C.log()


def sum_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Give each parameter the sum of its gradients; one that has none anywhere is left without."""
    if size() == 1:
        return
    has = torch.tensor([p.grad is not None for p in parameters], device=parameters[0].device)
    has = _reduce(has.int(), dist.ReduceOp.MAX)
    reached = [p for p, any_has in zip(parameters, has.tolist(), strict=True) if any_has]
    if not reached:
        return
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in reached]
    flat = _reduce(torch.cat([g.flatten() for g in gradients]), dist.ReduceOp.SUM)
    for parameter, part in zip(
        reached, torch.split(flat, [p.numel() for p in reached]), strict=True
    ):
        parameter.grad = part.view_as(parameter)


def from_first(compute: Callable[[], T]) -> T:
    """Return what the first process computes, as JSON gives it back; the others wait for it."""
    if size() == 1:
        return compute()
    content = json.dumps(compute()).encode() if is_first() else b""
    length = torch.tensor([len(content)])
    _broadcast(length)
    data = torch.empty(int(length), dtype=torch.uint8)
    if is_first():
        data = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    _broadcast(data)
    value: T = json.loads(data.numpy().tobytes())
    return value


def tensors_from_first(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the first process' tensors, on the CPU; what the others give is not looked at."""
    if size() == 1:
        return dict(tensors)
    described = {
        name: (str(x.dtype).removeprefix("torch."), list(x.shape)) for name, x in tensors.items()
    }
    received = {}
    for name, (dtype, shape) in from_first(lambda: described).items():
        x = torch.empty(shape, dtype=getattr(torch, dtype))
        if is_first():
            x = tensors[name].detach().cpu().contiguous()
        _broadcast(x)
        received[name] = x
    return received


@contextmanager
def in_turn() -> Iterator[None]:
    """Let the first process through the block, then the first of each machine, then the others."""
    turn = 0 if is_first() else 1 if _local_rank() == 0 else 2
    for _ in range(turn):
        _meet()
    yield
    for _ in range(TURNS - 1 - turn):
        _meet()


def require_same(what: str, digest: str) -> None:
    """Raise DistributedError in a process whose `digest` is not the first one's."""
    if from_first(lambda: digest) != digest:
        raise DistributedError(
            f"process {rank()} of {size()}: {what} differ from those of the first process. Give "
            "every machine the same data, settings and version of windowshop."
        )


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own_RX: Tensor, counts: list[int]) -> Tensor:  # noqa: ANN401
        ctx.counts = counts
        return _gather_rows(own_RX, counts)

    @staticmethod
    def backward(ctx: Any, gradient_NX: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        gradient_NX = _reduce(gradient_NX.clone(), dist.ReduceOp.SUM)
        start = sum(ctx.counts[: rank()])
        return gradient_NX[start : start + ctx.counts[rank()]], None


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401
        return total(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        return total(gradient)


def _gather_rows(own_RX: Tensor, counts: list[int]) -> Tensor:
    padded = own_RX.new_zeros(max(counts), *own_RX.shape[1:])
    padded[: len(own_RX)] = own_RX.detach()
    parts = zip(_all_gather(padded), counts, strict=True)
    return torch.cat([part[:count] for part, count in parts])


def _all_gather(x: Tensor) -> list[Tensor]:
    parts = [torch.empty_like(x) for _ in range(size())]
    with _named():
        dist.all_gather(parts, x)
    return parts


def _reduce(x: Tensor, operation: Any) -> Tensor:  # noqa: ANN401
    """Reduce in place over the processes."""
    x = x.contiguous()
    if size() > 1:
        with _named():
            dist.all_reduce(x, operation)
    return x


def _broadcast(x: Tensor) -> None:
    with _named():
        dist.broadcast(x, 0, group=_waiting())


def _meet() -> None:
    """Wait until all processes are here, as long as one of them needs."""
    if size() > 1:
        with _named():
            dist.barrier(group=_waiting())


@cache
def _waiting() -> Any:  # noqa: ANN401
    """Return the group of long waits; all processes make it at the same call."""
    return dist.new_group(backend="gloo", timeout=WAIT_TIMEOUT)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def _local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK", "0"))


@contextmanager
def _named() -> Iterator[None]:
    """Turn a failure to reach the others, a RuntimeError of torch, into a DistributedError."""
    try:
        yield
    except RuntimeError as error:
        place = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
        raise DistributedError(
            f"process {place[0]} of {place[1]}: the other processes of this training cannot be "
            f"reached ({first_line(error)}). One of them has ended or is stuck; its own message "
            "says why. Run the same command again to go on."
        ) from None
