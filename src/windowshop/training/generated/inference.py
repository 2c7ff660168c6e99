"""Values that nobody wrote down, read off images by the products of which they are known.

One linear softmax for each column, on frozen image features. A value counts where its probability
is above the threshold from which on PRECISION of held-out products are right, and where other
products of the same category have it: a watch has no sleeves, whatever its image looks like.

Shapes: N products, H feature width, V values, F columns, K columns that are learned, B batch,
G categories, L values of one column.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor, nn

from windowshop.training.generated.facts import Facts

PRECISION = 0.9
MIN_EXAMPLES = 20
"""Products with an image that a value needs to be learned."""
MIN_HELD_OUT = 10
"""Held-out products above a threshold, at the least."""
MIN_MISSING = 0.01
"""Columns of which fewer products with an image lack a value are left as they are."""
MIN_SHARE, MIN_IN_CATEGORY = 0.02, 3
"""Share and number of a category's products that have a value, for others of it to get it."""
HELD_OUT, MAX_EXAMPLES = 0.2, 20_000
EPOCHS, MIN_STEPS, BATCH, RATE, DECAY, DROPOUT = 12, 300, 256, 1e-3, 0.05, 0.5
CHUNK = 4096
OUTLIER = 6.0
NEVER = 2.0
"""Threshold that no probability reaches."""


@dataclass(frozen=True, slots=True)
class _Examples:
    """Columns to learn, with the products that have a single value in them."""

    columns: list[int]
    values: list[np.ndarray]
    """Values of each column, (L,)."""
    label_NK: np.ndarray
    """Place of a product's value in each column's values; -1 where it is not known."""


def infer_from_images(
    facts: Facts,
    features: Callable[[np.ndarray], np.ndarray],
    has_image_N: np.ndarray,
    category_N: np.ndarray,
    seed: int,
) -> Facts:
    """Return the facts with values that images show, in columns where a product has none.

    `features` gives the image features of products by row, float32 (B, H); `category_N` numbers the
    products' categories from 0 on.
    """
    examples = _examples(facts, has_image_N)
    if not examples.columns:
        return facts
    seen_VG = _seen_in_category(facts, category_N)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(np.flatnonzero((examples.label_NK >= 0).any(axis=1)))[:MAX_EXAMPLES]
    held_out, trained = np.split(rows, [round(HELD_OUT * len(rows))])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        image_BH = features(trained)
        probe = _Probe(image_BH, [len(values) for values in examples.values])
        probe.fit(image_BH, examples.label_NK[trained], rng)
    thresholds = [
        _threshold(share_BL, examples.label_NK[held_out, place])
        for place, share_BL in enumerate(probe.shares(features(held_out)))
    ]
    rows_found, values_found = [], []
    with_image = np.flatnonzero(has_image_N)
    for start in range(0, len(with_image), CHUNK):
        items = with_image[start : start + CHUNK]
        for place, share_BL in enumerate(probe.shares(features(items))):
            column, values = examples.columns[place], examples.values[place]
            share_BL = share_BL * seen_VG[values][:, category_N[items]].T
            sure = share_BL.max(axis=1) >= thresholds[place]
            sure &= ~facts.known_NF[items, column]
            rows_found.append(items[sure])
            values_found.append(values[share_BL[sure].argmax(axis=1)])
    return facts.with_values(np.concatenate(rows_found), np.concatenate(values_found))


class _Probe(nn.Module):
    """Linear softmaxes on standardised features."""

    def __init__(self, example_BH: np.ndarray, sizes: Sequence[int]) -> None:
        super().__init__()
        self._mean_H = example_BH.mean(axis=0)
        deviation_H = example_BH.std(axis=0)
        self._deviation_H = deviation_H + 1e-3 * deviation_H.mean() + 1e-8
        self._sizes = list(sizes)
        self._linear = nn.Linear(example_BH.shape[1], sum(sizes))
        nn.init.zeros_(self._linear.weight)

    def fit(self, image_BH: np.ndarray, label_BK: np.ndarray, rng: np.random.Generator) -> None:
        """Learn labels, places among the values of each column; -1 is none."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=RATE, weight_decay=DECAY)
        steps_an_epoch = math.ceil(len(image_BH) / BATCH)
        for _ in range(max(EPOCHS, math.ceil(MIN_STEPS / steps_an_epoch))):
            order = rng.permutation(len(image_BH))
            for start in range(0, len(order), BATCH):
                items = order[start : start + BATCH]
                labels = torch.from_numpy(label_BK[items]).T
                losses = [
                    F.cross_entropy(x_BL, label_B, ignore_index=-1, reduction="sum")
                    for x_BL, label_B in zip(
                        self._logits(image_BH[items], DROPOUT), labels, strict=True
                    )
                ]
                loss = torch.stack(losses).sum() / len(items)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()

    @torch.inference_mode()
    def shares(self, image_BH: np.ndarray) -> list[np.ndarray]:
        """Return the probability of each value, (B, L) for each column."""
        return [x_BL.softmax(dim=1).numpy() for x_BL in self._logits(image_BH, 0.0)]

    def _logits(self, image_BH: np.ndarray, dropout: float) -> tuple[Tensor, ...]:
        x_BH = ((image_BH - self._mean_H) / self._deviation_H).clip(-OUTLIER, OUTLIER)
        x = F.dropout(torch.from_numpy(x_BH.astype(np.float32)), dropout, training=dropout > 0)
        return torch.split(self._linear(x), self._sizes, dim=1)


def _examples(facts: Facts, has_image_N: np.ndarray) -> _Examples:
    columns, values, labels = [], [], []
    for column in range(len(facts.columns)):
        of_column = np.flatnonzero(facts.column_V == column)
        has_NL = facts.has_NV[:, of_column]
        single_N = (np.asarray(has_NL.sum(axis=1)).ravel() == 1) & has_image_N
        enough = np.asarray(has_NL[single_N].sum(axis=0)).ravel() >= MIN_EXAMPLES
        missing = (has_image_N & ~facts.known_NF[:, column]).sum() / max(1, has_image_N.sum())
        if enough.sum() < 2 or missing < MIN_MISSING:
            continue
        dense_NL = has_NL[:, np.flatnonzero(enough)].toarray()
        is_example_N = single_N & (dense_NL.sum(axis=1) == 1)
        columns.append(column)
        values.append(of_column[enough])
        labels.append(np.where(is_example_N, dense_NL.argmax(axis=1), -1))
    none = np.empty((len(has_image_N), 0), dtype=np.int64)
    return _Examples(columns, values, np.stack(labels, axis=1) if labels else none)


def _seen_in_category(facts: Facts, category_N: np.ndarray) -> np.ndarray:
    """Return which values products of each category have, bool (V, G)."""
    places = np.arange(len(category_N)), category_N
    category_NG = sparse.csr_matrix((np.ones(len(category_N), dtype=np.float32), places))
    least_G = np.maximum(MIN_IN_CATEGORY, MIN_SHARE * np.asarray(category_NG.sum(axis=0)).ravel())
    return np.asarray((facts.has_NV.T @ category_NG).toarray() >= least_G)


def _threshold(share_BL: np.ndarray, label_B: np.ndarray) -> float:
    """Return the lowest probability from which on PRECISION of the labels are right."""
    known = label_B >= 0
    best_B = share_BL[known].max(axis=1)
    right_B = share_BL[known].argmax(axis=1) == label_B[known]
    order = np.argsort(-best_B, kind="stable")
    count_B = np.arange(1, len(order) + 1)
    good = (np.cumsum(right_B[order]) >= PRECISION * count_B) & (count_B >= MIN_HELD_OUT)
    return float(best_B[order][np.flatnonzero(good)[-1]]) if good.any() else NEVER
