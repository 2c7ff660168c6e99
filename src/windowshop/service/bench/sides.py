"""Sides of a comparison: searchers of changed settings, and requests of their options."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

from windowshop.files import content_hash
from windowshop.search import Searcher, SearchRequest, SearchSettings
from windowshop.service.bench.edits import drafted
from windowshop.service.bench.knobs import changed
from windowshop.service.generation_pool import GenerationPool
from windowshop.service.http.bench_requests import FileName, SideBody

NUM_VARIANTS = 4
"""Searchers of changed settings that are kept; other parameters of BM25 take memory and time."""
State: TypeAlias = tuple[object, ...]


class Sides:
    """Searchers of sides over the generations of a pool; for many threads."""

    def __init__(self, pool: GenerationPool) -> None:
        self._pool = pool
        self._lock, self._making = threading.Lock(), threading.Lock()
        self._variants: OrderedDict[tuple[str, str], tuple[Searcher, Searcher]] = OrderedDict()
        """By generation and changes: the searcher that it was made of, and the changed one."""

    @contextmanager
    def lease(
        self, side: SideBody, drafts: Mapping[FileName, str] | None = None
    ) -> Iterator[Searcher]:
        """Keep the side's searcher open inside `with`; `drafts` are texts of files by name.

        Raises ServiceError 404 for a generation that is not loaded, and 422 for a setting that is
        unknown or does not fit.
        """
        with self._pool.lease(side.generation) as base:
            yield self._variant(base, side, drafts or {}) if side.changes or drafts else base

    def prepare(self, side: SideBody, drafts: Mapping[FileName, str] | None = None) -> None:
        """Make a side's searcher, which may take longer than a search; raises as `lease` does."""
        with self.lease(side, drafts):
            pass

    def settings(self, side: SideBody) -> SearchSettings:
        """Return the settings of a side."""
        with self._pool.lease(side.generation) as base:
            return changed(base.settings, side.changes)

    def state(self, side: SideBody) -> State:
        """Return what the side's results depend on: settings, options and catalogue."""
        with self._pool.lease(side.generation) as base:
            about = content_hash(side.model_dump(mode="json", exclude={"generation"}))
            with base.state() as state:
                words = state.lexicon.made_of
            seq = base.index.collection.seq  # by any process, where they are on a server
        return (base.index.generation, seq, self._pool.num_reread, words, about)

    def _variant(self, base: Searcher, side: SideBody, drafts: Mapping[FileName, str]) -> Searcher:
        key = (base.index.generation, content_hash([side.changes, dict(drafts)]))
        found = self._known(key, base)
        if found is None:
            with self._making:  # words that are read again take memory: for one at a time
                found = self._known(key, base)
                if found is None:
                    files = drafted(base.files, base, drafts)
                    files = replace(files, settings=changed(files.settings, side.changes))
                    found = base.following(files)
                    self._keep(key, base, found)
        return found

    def _known(self, key: tuple[str, str], base: Searcher) -> Searcher | None:
        with self._lock:
            known = self._variants.get(key)
            if known is None or known[0] is not base:
                return None
            self._variants.move_to_end(key)
            return known[1]

    def _keep(self, key: tuple[str, str], base: Searcher, made: Searcher) -> None:
        with self._lock:
            self._drop_old(key[0], base)
            self._variants[key] = (base, made)
            self._variants.move_to_end(key)
            while len(self._variants) > NUM_VARIANTS:
                self._variants.popitem(last=False)

    def _drop_old(self, generation: str, base: Searcher) -> None:
        """Drop variants of generations that are closed, and of settings that were replaced."""
        loaded = self._pool.loaded
        for key, (made_of, _) in list(self._variants.items()):
            if key[0] not in loaded or (key[0] == generation and made_of is not base):
                del self._variants[key]


def request_of(side: SideBody, text: str, *, limit: int, explain: bool = False) -> SearchRequest:
    """Return a search by text with the options of a side."""
    return SearchRequest(
        text=text,
        mode=side.mode,
        understand=side.understand,
        infer=side.infer,
        ranker=side.ranker,
        rules=side.rules,
        limit=limit,
        fields=None if explain else (),
        explain=explain,
    )
