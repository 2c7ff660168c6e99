"""Open generations of an index: one current, leased to requests, exchanged under load."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from windowshop.engines import ReadWriteLock
from windowshop.errors import DamagedError, IndexFolderError, StorageError, WindowshopError
from windowshop.index import (
    current_generation,
    open_generations,
    open_products,
    purge_deleted,
    remove_unfinished,
    remove_unnamed_images,
    without_builds,
)
from windowshop.search import Searcher, SearchRequest, open_searcher, read_shop_files
from windowshop.service.http.errors import ServiceError
from windowshop.service.maintenance import Maintenance

LOG = logging.getLogger(__name__)
State: TypeAlias = Literal["starting", "ready", "stopping"]
DRAIN_SECONDS = 60.0
"""Time that a generation gets to finish its requests after a switch."""
FEW_CHANGES = 100
"""Changes that a generation may lack when writes have to wait for it."""
RETRY_SECONDS = 60.0
"""Time until a generation that could not be switched to is tried again."""


@dataclass(eq=False, slots=True)
class _Loaded:
    """Open generation and the number of requests that use it."""

    searcher: Searcher
    num_leases: int = 0


class GenerationPool:
    """Generations of an index folder that are open for requests; for many threads."""

    def __init__(
        self,
        folder: Path,
        also: Sequence[str] = (),
        opener: Callable[[Path, str], Searcher] = open_searcher,
    ) -> None:
        """`also` names generations to have open beside the current one, to compare.

        Raises IndexFolderError where the folder is no index, ServiceError 404 for an unknown name.
        """
        self.folder = folder
        self.generations = open_generations(folder)
        current_generation(folder)
        self._also = tuple(dict.fromkeys(also))
        for name in self._also:
            self._check_name(name)
        self._opener = opener
        self._loaded: dict[str, _Loaded] = {}
        self._current = ""
        self._changed = threading.Condition()
        self._writes, self._administration = ReadWriteLock(), threading.Lock()
        self._failed: tuple[str, float] = ("", 0.0)
        self._num_written = 0
        self._maintenance: Maintenance | None = None
        self.state: State = "starting"
        self.damage: str | None = None
        """Damage of the products' database, once it was found."""
        self.num_reread = 0
        """Times that settings, rules and synonyms were read again."""
        self.num_lost = 0
        """Transactions of the database that a power loss has cost, as seen at the start."""

    @property
    def current(self) -> str:
        """Name of the generation that is searched; "" before `open`."""
        return self._current

    @property
    def loaded(self) -> list[str]:
        """Names of the open generations."""
        return list(self._loaded)

    @property
    def num_written(self) -> int:
        """Number of writes so far."""
        return self._num_written

    def open(self) -> None:
        """Open the generations, with every write so far, and search once."""
        name = current_generation(self.folder)
        searcher = self._opener(self.folder, name)
        self._loaded[name] = _Loaded(searcher)
        for other in self._also:
            if other != name:
                self._loaded[other] = _Loaded(self._opener(self.folder, other))
        searcher.answer(SearchRequest(text="warm up", limit=1))
        self._maintain(name)
        with self._changed:
            self._current = name

    def begin(self) -> None:
        """Set the state to ready."""
        if self.state == "starting":
            self.state = "ready"

    @contextmanager
    def lease(self, generation: str | None = None) -> Iterator[Searcher]:
        """Keep a searcher open inside `with`; raises ServiceError 404 where it is not loaded."""
        loaded = self._take(generation)
        try:
            yield loaded.searcher
        finally:
            with self._changed:
                loaded.num_leases -= 1
                if not loaded.num_leases:
                    self._changed.notify_all()

    def check_products(self) -> None:
        """Read the record of each product; after a DamagedError writes are refused."""
        with closing(open_products(self.folder)) as products:
            self.num_lost = products.database.num_lost
            try:
                products.check()
            except DamagedError as error:
                self.damage = str(error)
                raise

    @contextmanager
    def writing(self) -> Iterator[Searcher]:
        """Keep the current searcher current inside `with`.

        Raises DamagedError where `check_products` found damage.
        """
        if self.damage is not None:
            raise DamagedError(self.damage)
        with self._writes.read(), self.lease() as searcher:
            yield searcher
            self._num_written += 1

    def switch(self, generation: str | None) -> str:
        """Switch searches to another generation, with every write; return its name.

        None is the one that the index names. No request fails meanwhile. Raises ServiceError 404
        for an unknown one.
        """
        with self._administration:
            name = generation or current_generation(self.folder)
            self._check_name(name)
            self._move(name, choose=generation is not None)
            return name

    def rollback(self) -> str:
        """Go back to the generation before, with all that was written since; returns its name."""
        previous = self.generations.previous
        if previous is None or previous not in self.generations.names():
            raise ServiceError(409, "no_previous", "There is no generation to go back to.")
        return self.switch(previous)

    def reread(self) -> None:
        """Search by the settings, rules and synonyms that the folder has now; no request fails.

        Raises ConfigError for a file that does not fit, and then changes nothing.
        """
        with self._administration:
            renewed = [
                (item, _reread(self.folder, item.searcher)) for item in self._loaded.values()
            ]
            with self._changed:
                for item, searcher in renewed:
                    item.searcher = searcher
                self.num_reread += 1

    def optimise(self) -> None:
        """Make searches fast after many writes: drop dead rows, renew the words."""
        with self._administration, self.lease():
            assert self._maintenance is not None, "a generation that can be leased is maintained"
            self._maintenance.optimise()

    def compact(self) -> int:
        """Drop what nothing needs: deleted products, their vectors, images that no product names.

        Returns the number of images. Raises ServiceError 409 during a build, which needs to know
        what was deleted since it began.
        """
        with self._administration, self.lease() as searcher:
            collection = searcher.index.collection
            try:
                with without_builds(self.folder):
                    collection.save_snapshot()
                    collection.compact()
                    return self._compact_products()
            except IndexFolderError as error:
                raise ServiceError(409, "cannot_compact", str(error)) from None

    def tick(self) -> None:
        """Follow the index folder, and start the maintenance that is due."""
        if (
            not self._current
            or self.state == "stopping"
            or not self._administration.acquire(blocking=False)
        ):
            return
        try:
            self._follow()
        finally:
            self._administration.release()
        if self._maintenance is not None:
            self._maintenance.tick()

    def stop(self) -> None:
        """Set the state to stopping; requests are still answered."""
        self.state = "stopping"
        if self._maintenance is not None:
            self._maintenance.end()

    def close(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait for the requests under way, then save and close everything."""
        self.stop()
        with self._administration, self._changed:
            loaded, self._loaded = self._loaded, {}
        for name, item in loaded.items():
            self._close(name, item, seconds)

    def _maintain(self, name: str) -> None:
        if self._maintenance is not None:
            self._maintenance.end()
        self._maintenance = Maintenance(lambda: self.lease(name))

    def _compact_products(self) -> int:
        with closing(open_products(self.folder)) as products:
            remove_unfinished(self.folder)
            num_purged = purge_deleted(self.folder, products)
            num_removed = remove_unnamed_images(self.folder, products)
            products.database.shrink()
        LOG.info("forgot %d deleted products, removed %d images", num_purged, num_removed)
        return num_removed

    def _follow(self) -> None:
        """Follow what another process did: a build, which changes products too, or a rollback."""
        try:
            name = self.generations.current
        except StorageError as error:
            LOG.error("the current generation cannot be read: %s", error)
            return
        if name is None or name == self._current:
            with self.lease() as searcher:
                if searcher.index.collection.is_behind:
                    searcher.index.collection.catch_up(lambda: self.state != "stopping")
            return
        failed, since = self._failed
        if name == failed and time.monotonic() - since < RETRY_SECONDS:
            return
        try:
            self._move(name, choose=False)
        except WindowshopError as error:
            self._failed = (name, time.monotonic())
            LOG.error("the folder says %s, still searching %s: %s", name, self._current, error)

    def _move(self, name: str, *, choose: bool) -> None:
        before = self._current
        if name == before:
            return
        known = self._loaded.get(name)
        target = known or _Loaded(self._opener(self.folder, name))
        try:
            self._exchange(name, target.searcher, choose=choose)
        except BaseException:
            if known is None:
                target.searcher.close()
            raise
        LOG.info("searching %s instead of %s", name, before)
        self._maintain(name)
        if before not in self._also:
            with self._changed:
                left = self._loaded.pop(before)
            self._close(before, left, DRAIN_SECONDS)

    def _exchange(self, name: str, searcher: Searcher, *, choose: bool) -> None:
        """Make `name` current once it has every write; writes wait for the last few only."""
        collection = searcher.index.collection
        while collection.catch_up() > FEW_CHANGES:
            pass
        searcher.answer(SearchRequest(text="warm up", limit=1))
        with self._writes.write():
            collection.catch_up()
            if choose:
                self.generations.switch(name)
            with self._changed:
                self._loaded.setdefault(name, _Loaded(searcher))
                self._current = name

    def _close(self, name: str, item: _Loaded, seconds: float) -> None:
        with self._changed:
            is_free = self._changed.wait_for(lambda: item.num_leases == 0, seconds)
        if is_free:
            item.searcher.close()
        else:
            LOG.error("%s is still in use after %g s; it is left as it is", name, seconds)

    def _take(self, generation: str | None) -> _Loaded:
        with self._changed:
            loaded = self._loaded.get(generation or self._current)
            if loaded is not None:
                loaded.num_leases += 1
                return loaded
        if not self._current or self.state == "stopping":
            raise ServiceError(
                503, "not_ready", f"The service is {self.state}.", headers={"Retry-After": "1"}
            )
        raise ServiceError(
            404,
            "unknown_generation",
            f"{generation!r} is not loaded, only {', '.join(self._loaded)}. Start with --also.",
            where="generation",
        )

    def _check_name(self, name: str) -> None:
        known = [other for other in self.generations.names() if other.isidentifier()]
        if name not in known:
            raise ServiceError(
                404,
                "unknown_generation",
                f"There is no generation {name!r}, only {', '.join(known)}.",
                where="generation",
            )


def _reread(folder: Path, searcher: Searcher) -> Searcher:
    return searcher.following(read_shop_files(folder, searcher.index), keeps_words=True)
