"""Folders that `windowshop tune` adds to a generation, each with a manifest."""

from windowshop.errors import IndexFolderError
from windowshop.files import FolderKind

CLASSIFIER_FOLDER, RANKER_FOLDER = "classifier", "ranker"


def _kind(folder: str, noun: str) -> FolderKind:
    return FolderKind(
        noun=noun,
        format=f"windowshop-{folder}/1",
        command="windowshop tune",
        remedy="Remove the folder, or run `windowshop tune`.",
        error=IndexFolderError,
        file=f"{folder}.json",
    )


CLASSIFIER = _kind(CLASSIFIER_FOLDER, "a query classifier")
RANKER = _kind(RANKER_FOLDER, "a learned ranker")
TUNED_PARTS = {CLASSIFIER_FOLDER: CLASSIFIER, RANKER_FOLDER: RANKER}
"""Kind of each folder, by its name in a generation."""
