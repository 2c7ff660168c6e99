"""Folders that are added to a generation once it is built, each with a manifest."""

from windowshop.errors import IndexFolderError
from windowshop.files import FolderKind

CLASSIFIER_FOLDER, RANKER_FOLDER, WORDS_FOLDER = "classifier", "ranker", "words"


def _kind(folder: str, noun: str, command: str, remedy: str) -> FolderKind:
    return FolderKind(
        noun=noun,
        format=f"windowshop-{folder}/1",
        command=command,
        remedy=remedy,
        error=IndexFolderError,
        file=f"{folder}.json",
    )


TUNED = ("windowshop tune", "Remove the folder, or run `windowshop tune`.")
CLASSIFIER = _kind(CLASSIFIER_FOLDER, "a query classifier", *TUNED)
RANKER = _kind(RANKER_FOLDER, "a learned ranker", *TUNED)
WORDS = _kind(
    WORDS_FOLDER,
    "the words of a catalogue",
    "windowshop serve",
    "Remove the folder: it is made again at the next `windowshop serve`.",
)
GENERATION_PARTS = {CLASSIFIER_FOLDER: CLASSIFIER, RANKER_FOLDER: RANKER, WORDS_FOLDER: WORDS}
"""Kind of each folder, by its name in a generation."""
