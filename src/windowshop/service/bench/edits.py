"""Edits of the files that a search follows: checked, written whole, searched by at once, undone.

The text before the latest edit is kept in INDEX/workbench/edits; an undo exchanges the two.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from windowshop.errors import ConfigError
from windowshop.files import content_hash, write_atomic
from windowshop.index import is_linked
from windowshop.search import (
    Rules,
    Searcher,
    SearchSettings,
    ShopFiles,
    Synonyms,
    parse_rules,
    parse_synonyms,
)
from windowshop.service.bench.kept_files import KeptFiles
from windowshop.service.bench.knobs import Value, changed
from windowshop.service.generation_pool import GenerationPool
from windowshop.service.http.bench_requests import FileName
from windowshop.service.http.errors import ServiceError
from windowshop.settings import parse_settings, to_yaml

SEARCH: FileName = "search.yaml"
RULES: FileName = "rules.yaml"
SYNONYMS: FileName = "synonyms.yaml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Edited:
    """A file as it lies in the folder."""

    name: str
    text: str
    version: str
    """Hash of the text; an edit says which one it began from."""
    can_undo: bool


class Edits:
    """Files of an index that people edit while it is served; for many threads."""

    def __init__(self, pool: GenerationPool) -> None:
        self._pool = pool
        self._kept = KeptFiles(pool.folder, "edits", None)  # one of a file and generation
        self._lock = threading.Lock()

    def read(self, name: FileName) -> Edited:
        """Return a file; one that is not there is empty."""
        text = _text(self._path(name))
        return Edited(
            name=name,
            text=text or "",
            version=_version(text),
            can_undo=self._kept.has(self._key(name)),
        )

    def write(self, name: FileName, text: str, version: str) -> Edited:
        """Write a file, and search by it.

        Raises ServiceError 422 where it is wrong, and 409 where another edit came between.
        """
        with self._lock:
            before = _text(self._path(name))
            if _version(before) != version:
                raise ServiceError(
                    409, "edited", f"{name} was changed meanwhile. Load it again, then edit that."
                )
            self._exchange(name, before, text)
        return self.read(name)

    def save_settings(self, changes: dict[str, Value]) -> Edited:
        """Write changed settings of the current generation as its search.yaml.

        Raises ServiceError 409 where the file is not what is served.
        """
        with self._lock:
            before = _text(self._path(SEARCH))
            with self._pool.lease() as searcher:
                served = searcher.settings
            if not _are(before, served):
                raise ServiceError(
                    409,
                    "edited",
                    f"{SEARCH} was changed since it was read. Call /admin/reread to search "
                    "by it, then change that.",
                )
            self._exchange(SEARCH, before, to_yaml(changed(served, changes)))
        return self.read(SEARCH)

    def undo(self, name: FileName) -> Edited:
        """Exchange a file with what it was before the latest edit; twice is none."""
        with self._lock:
            if not self._kept.has(self._key(name)):
                raise ServiceError(409, "no_edit", f"{name} was not edited here.")
            text = self._kept.read(self._key(name))["text"]
            self._exchange(name, _text(self._path(name)), text)
        return self.read(name)

    def _exchange(self, name: FileName, before: str | None, text: str | None) -> None:
        """Write a file, None to remove it; where it cannot be searched by, put it back."""
        if is_linked(self._pool.folder):
            raise ServiceError(
                409,
                "on_a_server",
                f"{name} of a catalogue on a server comes with `windowshop push`, to all services. "
                "Change it in the index folder, and push that.",
            )
        with self._pool.lease() as searcher:
            drafted(searcher.files, searcher, {name: text or ""})
        path = self._path(name)
        kept = None
        if self._kept.has(self._key(name)):
            with suppress(ServiceError):  # damaged: nobody can undo by it
                kept = self._kept.read(self._key(name))
        self._kept.write(self._key(name), {"text": before})
        _put(path, text)
        try:
            self._pool.reread()
        except BaseException as error:
            _put(path, before)
            self._kept.delete(self._key(name))
            if kept is not None:
                self._kept.write(self._key(name), {"text": kept["text"]})
            if not isinstance(error, ConfigError):
                raise
            # Of another file, which was edited by hand.
            message = str(error).replace(f"{self._pool.folder}/", "")
            raise ServiceError(409, "cannot_reread", message) from None

    def _path(self, name: FileName) -> Path:
        if name != SEARCH:
            return self._pool.folder / name
        return self._pool.generations.path(self._pool.current) / name

    def _key(self, name: FileName) -> str:
        return f"{self._pool.current}/{name}" if name == SEARCH else name


def drafted(files: ShopFiles, searcher: Searcher, texts: Mapping[FileName, str]) -> ShopFiles:
    """Return files with other texts by name; raises ServiceError 422 for one that is wrong."""

    def checked(name: FileName, parse: Callable[[str], object]) -> object | None:
        if name not in texts:
            return None
        try:
            return parse(texts[name])
        except ConfigError as error:
            raise ServiceError(422, "bad_file", str(error), where=name) from None

    schema = searcher.index.collection.products([]).schema
    rules = checked(RULES, lambda text: parse_rules(text, schema, RULES))
    synonyms = checked(SYNONYMS, lambda text: parse_synonyms(text, SYNONYMS))
    settings = checked(SEARCH, lambda text: parse_settings(text, SearchSettings, SEARCH))
    return ShopFiles(
        settings=settings if isinstance(settings, SearchSettings) else files.settings,
        rules=rules if isinstance(rules, Rules) else files.rules,
        synonyms=synonyms if isinstance(synonyms, Synonyms) else files.synonyms,
        ranker=files.ranker,
    )


def _are(text: str | None, served: SearchSettings) -> bool:
    """Return whether a text has these settings; one that cannot be read has not."""
    try:
        return parse_settings(text or "", SearchSettings, SEARCH) == served
    except ConfigError:
        return False


def _text(path: Path) -> str | None:
    """Return a file's text, None where it is missing; raises ServiceError 409 for other bytes."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise ServiceError(
            409, "bad_file", f"{path.name} is not UTF-8. Save it in UTF-8, then load it again."
        ) from None


def _put(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
    else:
        write_atomic(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def _version(text: str | None) -> str:
    return content_hash([text])
