"""The classifier of a generation: its heads, and what held-out queries say of them.

    GENERATION/classifier/classifier.json       classes, temperatures, hash of the other file
    GENERATION/classifier/heads.safetensors     weights, and the held-out records

Shapes: P width of query vectors, K classes of all heads, R held-out records of a head.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from windowshop.errors import IndexFolderError
from windowshop.files import (
    EVERYTHING,
    Files,
    describe_files,
    new_folder,
    read_manifest,
    require_files,
    write_manifest,
)
from windowshop.index import CLASSIFIER, CLASSIFIER_FOLDER
from windowshop.search.classifier.classes import Head, starts_of
from windowshop.search.classifier.fit import log_softmax

WEIGHTS_FILE = "heads.safetensors"
WEIGHTS, COMMON = "weights", "common"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Classes that one head infers of held-out queries, and their errors.

    The queries do not name its column, or by a name that is new to it.
    """

    probability_R: np.ndarray
    """Of the likeliest class."""
    unfiltered_R: np.ndarray
    """Share of the relevant products that a filter by the class would lose."""
    unmatched_R: np.ndarray
    """Share of those that state the column and are of another class; NaN where none states it."""


@dataclass(frozen=True, slots=True)
class Guess:
    """Likeliest class of one head for a query."""

    head: Head
    place: int
    """Place of the class in the head."""
    probability: float
    is_common: bool
    """Whether more than half of the products that state the column are of the class."""


@dataclass(frozen=True, slots=True)
class ClassifierManifest:
    """Manifest of a classifier."""

    model_key: str
    """Model whose query vectors it reads."""
    heads: list[dict[str, Any]]
    temperatures: list[float]
    num_judged: int
    """Judged queries among the texts that it was fitted on."""
    num_made: int
    """Texts made of the catalogue among them."""
    held_out: str
    """Split of the held-out queries."""
    files: Files
    format: str = CLASSIFIER.format


@dataclass(frozen=True, kw_only=True, slots=True)
class Classifier:
    """Heads that infer what a query means from its vector."""

    model_key: str
    heads: tuple[Head, ...]
    weights_KX: np.ndarray
    """Weights and bias of each class, float32 (K, P + 1)."""
    temperatures: tuple[float, ...]
    common_K: np.ndarray
    """Share of each class among the products that state its column, float32."""
    held_out: tuple[HeldOut, ...]
    """One for each head."""
    num_judged: int
    num_made: int
    split: str
    """Split of the held-out queries."""

    def guess(self, vector_1P: np.ndarray) -> tuple[Guess, ...]:
        """Return the likeliest class of each head."""
        logits_K = self.weights_KX[:, :-1] @ vector_1P[0] + self.weights_KX[:, -1]
        guesses = []
        for head, start, divisor in zip(
            self.heads, starts_of(self.heads).tolist(), self.temperatures, strict=False
        ):
            own = logits_K[start : start + len(head.values)] / divisor
            place = int(own.argmax())
            probability = float(1 / np.exp(own - own[place]).sum())
            is_common = bool(self.common_K[start + place] > 0.5)
            guesses.append(Guess(head, place, probability, is_common))
        return tuple(guesses)

    def probabilities(self, vectors_QP: np.ndarray) -> np.ndarray:
        """Return the probability of each class within its head, (Q, K)."""
        divisor_K = np.repeat(self.temperatures, [len(head.values) for head in self.heads])
        logits_QK = vectors_QP @ self.weights_KX[:, :-1].T + self.weights_KX[:, -1]
        starts = starts_of(self.heads).tolist()
        return np.asarray(np.exp(log_softmax((logits_QK / divisor_K).astype(np.float32), starts)))


def save_classifier(classifier: Classifier, folder: Path) -> None:
    """Write the classifier of a generation in place of one that is there."""
    tensors = {WEIGHTS: classifier.weights_KX, COMMON: classifier.common_K}
    for place, held in enumerate(classifier.held_out):
        for name, values in asdict(held).items():
            tensors[f"held_out.{place}.{name}"] = np.asarray(values, dtype=np.float32)
    with new_folder(folder / CLASSIFIER_FOLDER) as aside:
        save_file(tensors, aside / WEIGHTS_FILE)
        manifest = ClassifierManifest(
            model_key=classifier.model_key,
            heads=[asdict(head) for head in classifier.heads],
            temperatures=list(classifier.temperatures),
            num_judged=classifier.num_judged,
            num_made=classifier.num_made,
            held_out=classifier.split,
            files=describe_files(aside),
        )
        write_manifest(aside, manifest, CLASSIFIER)


def load_classifier(folder: Path, model_key: str) -> Classifier | None:
    """Read the classifier of a generation; returns None where it has none.

    Raises IndexFolderError where it is damaged, or of another model.
    """
    own = folder / CLASSIFIER_FOLDER
    if not own.is_dir():
        return None
    manifest = read_manifest(ClassifierManifest, own, CLASSIFIER)
    if manifest.model_key != model_key:
        raise IndexFolderError(
            f"{own}: reads the vectors of another model ({manifest.model_key}, not {model_key}). "
            f"{CLASSIFIER.remedy}"
        )
    require_files(own, CLASSIFIER, EVERYTHING)
    tensors = load_file(own / WEIGHTS_FILE)
    heads = tuple(
        Head(head["column"], head["level"], tuple(head["values"])) for head in manifest.heads
    )
    held_out = tuple(
        HeldOut(*(tensors[f"held_out.{place}.{name}"] for name in HeldOut.__slots__))
        for place in range(len(heads))
    )
    return Classifier(
        model_key=manifest.model_key,
        heads=heads,
        weights_KX=tensors[WEIGHTS],
        temperatures=tuple(manifest.temperatures),
        common_K=tensors[COMMON],
        held_out=held_out,
        num_judged=manifest.num_judged,
        num_made=manifest.num_made,
        split=manifest.held_out,
    )
