"""Words of a generation's texts, kept beside it: a large catalogue opens without reading its texts.

    GENERATION/words/words.json          manifest, written last
    GENERATION/words/terms.safetensors   counts of terms by product, and the records they are of
    GENERATION/words/texts.json          the words themselves

They count for the records that they were read from, at whatever state of the catalogue and under
whatever keys: products that have changed since are left out. What is missing or damaged is read
from the texts again.
"""

import hashlib
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from safetensors.numpy import load_file, save_file
from scipy.sparse import csc_array

from windowshop.data import KnownWords
from windowshop.engines import TermCounts
from windowshop.errors import IndexFolderError, StorageError
from windowshop.files import (
    EVERYTHING,
    Files,
    describe_files,
    new_folder,
    read_manifest,
    require_files,
    write_manifest,
)
from windowshop.index import VERSION, WORDS, Living
from windowshop.search.understanding.text_words import TextWords

LOG = logging.getLogger(__name__)
TERMS_FILE, TEXTS_FILE = "terms.safetensors", "texts.json"
LEAST_PRODUCTS = 1_000
"""The words of a smaller catalogue are read in half a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WordsManifest:
    """Manifest of kept words."""

    language: str
    """Language of the catalogue that was given; "" where it was detected."""
    reading: str
    """Hash of the code that read them: other code may read words another way."""
    files: Files
    format: str = WORDS.format


@dataclass(frozen=True, slots=True)
class CatalogueWords:
    """Words of the products of some keys."""

    keys: np.ndarray
    """Keys of the products, int64, rising."""
    terms: TermCounts
    texts: TextWords
    """Words of these products, and of `num_gone` others."""
    num_gone: int = 0
    """Products whose texts were read, and that have changed or gone since."""


@dataclass(frozen=True, slots=True)
class KeptWords:
    """Folder of kept words; with `read_only`, nothing is written."""

    folder: Path
    read_only: bool = False

    def read(self, living: Living, language: str) -> CatalogueWords | None:
        """Return the words that were kept of living products; None where there are none to use."""
        if not self.folder.is_dir():
            return None
        try:
            manifest = read_manifest(WordsManifest, self.folder, WORDS)
            if (manifest.reading, manifest.language) != (_reading(), language):
                return None
            require_files(self.folder, WORDS, EVERYTHING)
        except IndexFolderError as error:
            LOG.warning("%s The texts are read again.", error)
            return None
        arrays = load_file(self.folder / TERMS_FILE)
        texts = orjson.loads((self.folder / TEXTS_FILE).read_bytes())
        return _words(arrays, texts, living)

    def write(self, words: CatalogueWords, living: Living, language: str) -> None:
        """Keep the words of all living products, unless they are few.

        A failure costs only the next opening time.
        """
        if self.read_only or len(words.keys) < LEAST_PRODUCTS:
            return
        try:
            with new_folder(self.folder) as made:
                save_file(_arrays(words, living), made / TERMS_FILE)
                (made / TEXTS_FILE).write_bytes(orjson.dumps(_plain(words)))
                manifest = WordsManifest(
                    language=language, reading=_reading(), files=describe_files(made)
                )
                write_manifest(made, manifest, WORDS)
        except (OSError, StorageError) as error:
            LOG.warning("%s: the words of the catalogue are not kept (%s)", self.folder, error)


@cache
def _reading() -> str:
    """Return the hash of all files by which texts become words and counts of them."""
    package, hashed = Path(__file__).parents[2], hashlib.sha256()
    for folder in ("data", "engines", "search/understanding"):
        for path in sorted((package / folder).iterdir()):
            if path.suffix in (".py", ".yaml"):
                hashed.update(path.name.encode() + path.read_bytes())
    return hashed.hexdigest()


def _arrays(words: CatalogueWords, living: Living) -> dict[str, np.ndarray]:
    terms = words.terms
    arrays = {
        "versions": living.table[VERSION].to_numpy(),
        "facts_length": terms.facts_length_N,
        "descriptions_length": terms.descriptions_length_N,
    }
    for name, counts_NV in (("facts", terms.facts_NV), ("descriptions", terms.descriptions_NV)):
        for part in ("data", "indices", "indptr"):
            arrays[f"{name}.{part}"] = getattr(counts_NV, part)
    return arrays


def _plain(words: CatalogueWords) -> dict[str, Any]:
    known, texts = words.terms.known, words.texts
    return {
        "language": known.language,
        "words": sorted(known.words),
        "stems": sorted(known.stems),
        "forms": sorted(words.terms.forms),
        "ids": list(words.terms.ids),
        "written": texts.written,
        "compared": texts.compared,
        "compounds": sorted(texts.compounds),
    }


def _words(arrays: dict[str, np.ndarray], plain: dict[str, Any], living: Living) -> CatalogueWords:
    held_N, rows_M = _same(living.table[VERSION].to_numpy(), arrays["versions"])
    shape = (len(arrays["versions"]), len(plain["ids"]))
    facts_NV, descriptions_NV = (
        _rows(
            csc_array(
                tuple(arrays[f"{name}.{part}"] for part in ("data", "indices", "indptr")), shape
            ),
            rows_M,
        )
        for name in ("facts", "descriptions")
    )
    terms = TermCounts(
        KnownWords(set(plain["words"]), plain["language"], set(plain["stems"])),
        frozenset(plain["forms"]),
        {term: column for column, term in enumerate(plain["ids"])},
        facts_NV,
        descriptions_NV,
        arrays["facts_length"][rows_M],
        arrays["descriptions_length"][rows_M],
    )
    compounds = frozenset((first, last) for first, last in plain["compounds"])
    texts = TextWords(plain["written"], plain["compared"], compounds)
    return CatalogueWords(living.keys[held_N], terms, texts, num_gone=shape[0] - len(rows_M))


def _same(versions_N: np.ndarray, kept_K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the versions that are kept, rising, and the kept rows of them."""
    if np.array_equal(versions_N, kept_K):
        return np.arange(len(versions_N)), np.arange(len(kept_K))
    order_K = np.argsort(kept_K)
    rows_N = np.searchsorted(kept_K, versions_N, sorter=order_K).clip(max=len(kept_K) - 1)
    rows_N = order_K[rows_N]
    held_N = np.flatnonzero(kept_K[rows_N] == versions_N)
    return held_N, rows_N[held_N]


def _rows(counts_NV: csc_array, rows_M: np.ndarray) -> csc_array:
    """Return some rows of a table, in the given order."""
    if np.array_equal(rows_M, np.arange(counts_NV.shape[0])):
        return counts_NV
    return counts_NV.tocsr()[rows_M].tocsc()
