"""Gradient caching: batches of any size through an encoder in the memory of one chunk.

Shapes: B batch, H feature width. After arXiv:2101.06983: features are computed without a graph;
the loss sends its gradient to them; then each chunk is computed again, with a graph, and passes its
share of that gradient on to the weights. The sum is the gradient of the whole batch. Images
are read chunk by chunk as well, in either pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from windowshop.training.fine_tuning.trainable import TrainableEncoder

Read: TypeAlias = Callable[[list[Any]], list[Any]]
"""Turns some items into the inputs of an encoder, to the same ones at every call."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """Features given to a loss, and the inputs they were computed from."""

    tuned: TrainableEncoder
    items: Sequence[Any]
    read: Read
    chunks: list[np.ndarray]
    """Rows computed together."""
    seeds: list[int]
    features_BH: Tensor


class GradientCache:
    """Features of one training step; use it for one step and make another.

    Dropout is a function of `seed`, the order of the calls and the chunk, so the second pass
    repeats the first.
    """

    def __init__(self, chunk_size: int, seed: int) -> None:
        self._chunk_size, self._seed = chunk_size, seed
        self._leaves: list[_Leaf] = []

    def features(self, tuned: TrainableEncoder, items: Sequence[Any], read: Read = list) -> Tensor:
        """Return features (B, H) of texts or images, in order, on the CPU, as a leaf for a loss.

        Where `items` only name the texts or images, `read` gets those of one chunk, once a pass.
        """
        # Texts of like length share a chunk, so little is padding.
        sizes = [len(item) if isinstance(item, str) else 0 for item in items]
        order = np.argsort(sizes, kind="stable")
        chunks = [order[i : i + self._chunk_size] for i in range(0, len(order), self._chunk_size)]
        seeds = [chunk_seed(self._seed, len(self._leaves), i) for i in range(len(chunks))]
        features_BH = torch.zeros(len(items), tuned.encoder.layout.width, dtype=tuned.dtype)
        leaf = _Leaf(tuned, items, read, chunks, seeds, features_BH)
        with torch.no_grad():
            for index, rows in enumerate(chunks):
                features_BH[rows] = _compute(leaf, index).to(features_BH)
        self._leaves.append(leaf)
        return features_BH.requires_grad_()

    def backward(self) -> None:
        """Add the gradients of the weights behind all features, after the loss' own backward."""
        for leaf in self._leaves:
            gradient_BH = leaf.features_BH.grad
            if gradient_BH is None:
                continue  # no loss looked at them
            for index, rows in enumerate(leaf.chunks):
                chunk_BH = _compute(leaf, index)
                chunk_BH.backward(gradient_BH[rows].to(chunk_BH))  # type: ignore[no-untyped-call]
        self._leaves.clear()


def chunk_seed(seed: int, call: int, chunk: int) -> int:
    """Seed of torch's random numbers for one chunk of one call of `GradientCache.features`."""
    state = np.random.SeedSequence([seed, call, chunk]).generate_state(1, np.uint64)
    return int(state[0] >> 1)


def _compute(leaf: _Leaf, index: int) -> Tensor:
    device = leaf.tuned.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(leaf.seeds[index])
        return leaf.tuned.features(leaf.read([leaf.items[row] for row in leaf.chunks[index]]))
