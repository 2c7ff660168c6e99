"""Train a classifier for a generation of an index, and measure it on held-out queries.

A held-out query counts for the columns that it does not name. Where it names a value, heads infer
for it that were fitted without any text that has the name: to them it is a new word, as "couch" is
to a catalogue of sofas. (The model's query tower may have read it.)

Shapes: Q texts, K classes of all heads, P width of query vectors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import xxhash

from windowshop.data import Dataset, words_of
from windowshop.index import OpenIndex
from windowshop.progress import Reporter
from windowshop.search.classifier.classes import Classes, Head, read_classes, starts_of
from windowshop.search.classifier.examples import (
    Examples,
    judged_examples,
    made_examples,
    shares,
    together,
)
from windowshop.search.classifier.fit import fit_heads, log_softmax, temperature
from windowshop.search.classifier.model import Classifier, HeldOut

FOLDS = 4
"""Parts of the names; heads are fitted without the names of each part in turn."""
TRAIN = "train"


@dataclass(frozen=True)
class _Names:
    """Names of the classes of all heads, each in one part."""

    classes: Classes

    @cached_property
    def parts(self) -> dict[str, list[tuple[str, int]]]:
        """Column -> (name in words, its part)."""
        found: dict[str, dict[str, int]] = {}
        for head in self.classes.heads:
            for place in range(len(head.values)):
                name = " ".join(words_of(head.words(place)))
                if name:
                    part = xxhash.xxh3_64_intdigest(name.encode()) % FOLDS
                    found.setdefault(head.column, {})[name] = part
        return {column: list(names.items()) for column, names in found.items()}

    def named(self, text: str, column: str) -> set[int]:
        """Return the parts of the names of a column that a text has."""
        words = f" {' '.join(words_of(text))} "
        return {part for name, part in self.parts[column] if f" {name} " in words}


def train_classifier(
    index: OpenIndex, dataset: Dataset, split: str, reporter: Reporter
) -> Classifier | None:
    """Fit on judged training queries and the catalogue, measure on the judged queries of `split`.

    Returns None where the catalogue has no classes.
    """
    with index.collection.read_view() as view:
        products = view.columns.living().table
    unnamed = index.manifest.column_roles.unnamed
    classes = read_classes(products.drop(*unnamed, strict=False))
    if not classes.heads:
        return None
    ids = products["product_id"].to_list()
    made = made_examples(products, classes)
    judged = judged_examples(dataset, TRAIN if split != TRAIN else "", ids)
    held = judged_examples(dataset, split, ids)
    examples = together(judged, made)
    with reporter.bar("Train the query classifier", FOLDS + 3) as advance:
        encode = partial(_encode, index)
        x_QP, held_QP = encode(examples.texts), encode(held.texts)
        advance(2, "")
        fit = _Fit(classes, examples, x_QP)
        weights_KX = fit.weights(np.ones(len(x_QP), dtype=bool))
        advance(1, "")
        names = _Names(classes)
        logits_FQK = [_logits(weights_KX, held_QP)]
        for part in range(FOLDS):
            unread = [any(part in names.named(text, c) for c in names.parts) for text in fit.texts]
            logits_FQK.append(_logits(fit.weights(~np.array(unread, dtype=bool)), held_QP))
            advance(1, "")
    stated = np.asarray(classes.of_NK.sum(axis=0)).ravel()
    sums = np.add.reduceat(stated, classes.starts[:-1])
    common_K = stated / np.maximum(1, np.repeat(sums, np.diff(classes.starts)))
    measured = [
        _measured(place, head, held, classes, names, logits_FQK)
        for place, head in enumerate(classes.heads)
    ]
    return Classifier(
        model_key=index.manifest.model_key,
        heads=classes.heads,
        weights_KX=weights_KX,
        temperatures=tuple(divisor for divisor, _ in measured),
        common_K=common_K.astype(np.float32),
        held_out=tuple(held_out for _, held_out in measured),
        num_judged=len(judged.texts),
        num_made=len(made.texts),
        split=split,
    )


@dataclass(frozen=True)
class _Fit:
    """Texts to fit on, with their vectors."""

    classes: Classes
    examples: Examples
    x_QP: np.ndarray

    @property
    def texts(self) -> tuple[str, ...]:
        return self.examples.texts

    @cached_property
    def _targets(self) -> tuple[np.ndarray, np.ndarray]:
        shares_QK, stated_QH = shares(self.examples, self.classes)
        return shares_QK, self.examples.weight_Q[:, None] * (stated_QH > 0)

    def weights(self, kept_Q: np.ndarray) -> np.ndarray:
        """Fit on some of the texts."""
        shares_QK, weight_QH = self._targets
        starts = self.classes.starts.tolist()
        return fit_heads(self.x_QP[kept_Q], shares_QK[kept_Q], weight_QH[kept_Q], starts)


def _encode(index: OpenIndex, texts: Sequence[str]) -> np.ndarray:
    """Return the vectors that a search would have."""
    return index.encode_queries(texts, [None] * len(texts))


def _logits(weights_KX: np.ndarray, x_QP: np.ndarray) -> np.ndarray:
    return np.asarray(x_QP @ weights_KX[:, :-1].T + weights_KX[:, -1])


def _measured(
    place: int,
    head: Head,
    held: Examples,
    classes: Classes,
    names: _Names,
    logits_FQK: Sequence[np.ndarray],
) -> tuple[float, HeldOut]:
    """Return the temperature of a head, and what it infers for held-out queries."""
    start, end = starts_of(classes.heads)[place : place + 2].tolist()
    parts = [names.named(text, head.column) for text in held.texts]
    # By all heads where nothing is named, else by those to which the name is new.
    fits = [1 + min(own) if len(own) == 1 else 0 for own in parts]
    kept = [row for row, own in enumerate(parts) if len(own) < 2]
    logits_RK = np.array([logits_FQK[fits[row]][row, start:end] for row in kept]).reshape(
        len(kept), end - start
    )
    own = Classes((head,), classes.of_NK[:, start:end])
    relevant = replace(
        held,
        texts=tuple(held.texts[row] for row in kept),
        relevant_QN=held.relevant_QN[kept],
        weight_Q=held.weight_Q[kept],
    )
    shares_RK, stated_R1 = shares(relevant, own)
    states_R = stated_R1[:, 0] > 0
    divisor = temperature(logits_RK[states_R], shares_RK[states_R])
    probability_RK = np.exp(log_softmax(logits_RK / np.float32(divisor), [0, end - start]))
    best_R = probability_RK.argmax(axis=1) if len(kept) else np.zeros(0, dtype=np.int64)
    rows = np.arange(len(kept))
    counts_R = np.maximum(1, np.asarray(relevant.relevant_QN.sum(axis=1)).ravel())
    having_RK = np.asarray((relevant.relevant_QN @ own.of_NK).todense())
    having_R = having_RK[rows, best_R] / counts_R
    stated_share_R = stated_R1[:, 0]
    unmatched_R = np.where(states_R, 1 - having_R / np.maximum(stated_share_R, 1e-9), np.nan)
    return divisor, HeldOut(probability_RK[rows, best_R], 1 - having_R, np.clip(unmatched_R, 0, 1))
