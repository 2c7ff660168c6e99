"""Words of a generation's texts, kept beside it: a large catalogue opens without reading its texts.

    GENERATION/words/words.json          manifest, written last
    GENERATION/words/terms.safetensors   counts of terms by product, and the products' keys
    GENERATION/words/texts.json          the words themselves

They count for the records that they were read from, at whatever state of the catalogue. What is
missing, damaged or of other records is read from the texts again.
"""

import hashlib
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
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
from windowshop.index import WORDS, records_hash
from windowshop.search.understanding.text_words import TextWords

LOG = logging.getLogger(__name__)
TERMS_FILE, TEXTS_FILE = "terms.safetensors", "texts.json"
LEAST_PRODUCTS = 1_000
"""The words of a smaller catalogue are read in half a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WordsManifest:
    """Manifest of kept words."""

    num_keys: int
    """Rows of the columns when the texts were read."""
    records: str
    """Hash of which records these rows are of."""
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
    num_keys: int
    """Rows of the columns when they were read."""
    terms: TermCounts
    texts: TextWords


@dataclass(frozen=True, slots=True)
class KeptWords:
    """Folder of kept words; with `read_only`, nothing is written."""

    folder: Path
    read_only: bool = False

    def read(self, table: pl.DataFrame, language: str) -> CatalogueWords | None:
        """Return the words that were kept of these rows; None where there are none to use."""
        if not self.folder.is_dir():
            return None
        try:
            manifest = read_manifest(WordsManifest, self.folder, WORDS)
            if (manifest.reading, manifest.language) != (_reading(), language):
                return None
            if manifest.records != records_hash(table, manifest.num_keys):
                return None
            require_files(self.folder, WORDS, EVERYTHING)
        except IndexFolderError as error:
            LOG.warning("%s The texts are read again.", error)
            return None
        arrays = load_file(self.folder / TERMS_FILE)
        texts = orjson.loads((self.folder / TEXTS_FILE).read_bytes())
        return _words(arrays, texts, manifest.num_keys)

    def write(self, words: CatalogueWords, table: pl.DataFrame, language: str) -> None:
        """Keep words, unless the catalogue is small; a failure costs only the next opening time."""
        if self.read_only or len(words.keys) < LEAST_PRODUCTS:
            return
        try:
            with new_folder(self.folder) as made:
                save_file(_arrays(words), made / TERMS_FILE)
                (made / TEXTS_FILE).write_bytes(orjson.dumps(_plain(words)))
                manifest = WordsManifest(
                    num_keys=words.num_keys,
                    records=records_hash(table, words.num_keys),
                    language=language,
                    reading=_reading(),
                    files=describe_files(made),
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


def _arrays(words: CatalogueWords) -> dict[str, np.ndarray]:
    terms = words.terms
    arrays = {
        "keys": words.keys,
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


def _words(arrays: dict[str, np.ndarray], plain: dict[str, Any], num_keys: int) -> CatalogueWords:
    shape = (len(arrays["keys"]), len(plain["ids"]))
    facts_NV, descriptions_NV = (
        csc_array(tuple(arrays[f"{name}.{part}"] for part in ("data", "indices", "indptr")), shape)
        for name in ("facts", "descriptions")
    )
    terms = TermCounts(
        KnownWords(set(plain["words"]), plain["language"], set(plain["stems"])),
        frozenset(plain["forms"]),
        {term: column for column, term in enumerate(plain["ids"])},
        facts_NV,
        descriptions_NV,
        arrays["facts_length"],
        arrays["descriptions_length"],
    )
    compounds = frozenset((first, last) for first, last in plain["compounds"])
    texts = TextWords(plain["written"], plain["compared"], compounds)
    return CatalogueWords(arrays["keys"], num_keys, terms, texts)
