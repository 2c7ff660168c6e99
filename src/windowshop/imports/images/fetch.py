"""Web addresses of a shop's images -> files beside its tables, and the column that names them.

A run that was killed goes on where it was: an address that it has asked is not asked again. Images
fetched before are asked for again after a time, and come only where they have changed.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from windowshop.errors import StorageError
from windowshop.files import locked, write_json
from windowshop.imports.images.addresses import parse_url
from windowshop.imports.images.config import FetchConfig, FetchFailure
from windowshop.imports.images.download import Downloader, Validators
from windowshop.imports.images.fetched import FETCHED, FetchedTable, Record, open_fetched
from windowshop.imports.images.links import STORED, named_images, read_links, write_images
from windowshop.imports.images.report import FetchReport
from windowshop.imports.images.review import review
from windowshop.imports.images.store import FOLDER, is_stored, store
from windowshop.progress import SILENT, Advance, Reporter

DATABASE, LOCK, REPORT = "fetched.db", ".lock", "report.json"
"""Files in the folder of images."""
DEFAULT = FetchConfig()


def fetch_images(
    shop: str | Path, config: FetchConfig = DEFAULT, reporter: Reporter = SILENT
) -> FetchReport:
    """Download the images that a shop's products name by web address, and write products.parquet.

    A failed image never drops a product. Raises DataError where the table names no address.
    """
    root = Path(shop)
    links = read_links(root)
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    taken = StorageError(f"{folder}: another process fetches these images. Wait until it ends.")
    with locked(folder / LOCK, taken), open_fetched(folder / DATABASE) as fetched:
        urls = links.every_url()
        run = _Run(root, config, fetched)
        try:
            asyncio.run(run.fetch(urls, reporter))
        except BaseExceptionGroup as group:  # of the tasks: a full disk, for example
            raise group.exceptions[0] from None
        reviewed = review(links, run.records, config)
        table = write_images(links, reviewed.files, reviewed.groups)
        report = FetchReport(
            table=table,
            num_urls=len(urls),
            num_fetched=run.num_fetched,
            num_unchanged=run.num_unchanged,
            num_known=run.num_known,
            num_bytes=run.num_bytes,
            num_unused=_tidy(root, table, [run.records[url].file for url in urls], config),
            removed_unused=config.remove_unused,
            **reviewed.counts,
        )
        write_json(folder / REPORT, report.to_json())
        fetched.end(urls)
    return report


def _tidy(shop: Path, table: Path, files: Iterable[str], config: FetchConfig) -> int:
    """Count the stored images that neither products nor addresses name, and remove them if told."""
    used = {*files, *named_images(table)}
    unused = [
        path
        for path in (shop / FOLDER).glob("??/*.jpg")
        if STORED.fullmatch(name := path.relative_to(shop).as_posix()) and name not in used
    ]
    for path in unused if config.remove_unused else ():
        path.unlink(missing_ok=True)
    return len(unused)


class _Run:
    """One run: what is known, what it asked for, and counts."""

    def __init__(self, shop: Path, config: FetchConfig, fetched: FetchedTable) -> None:
        self._shop, self._config, self._fetched = shop, config, fetched
        self.records: dict[str, Record] = fetched.records()
        self.num_fetched = self.num_unchanged = self.num_known = self.num_bytes = 0
        self._num_failed = 0

    async def fetch(self, urls: Iterable[str], reporter: Reporter) -> None:
        """Ask for the addresses whose images are not fresh, hosts side by side."""
        began_at = self._fetched.begin()
        todo = [url for url in urls if not self._is_fresh(url, began_at)]
        queues: dict[str, deque[str]] = {}
        for url in todo:
            queues.setdefault(_host(url), deque()).append(url)
        with (
            ThreadPoolExecutor(os.cpu_count()) as pool,
            reporter.bar("Fetch images", len(todo)) as advance,
        ):
            async with Downloader(self._config) as downloader, asyncio.TaskGroup() as tasks:
                for queue in queues.values():
                    for _ in range(min(self._config.connections, len(queue))):
                        tasks.create_task(self._work(queue, downloader, pool, advance))

    def _is_fresh(self, url: str, began_at: float) -> bool:
        """Return whether an address need not be asked: this run has, or its image is young."""
        record = self.records.get(url)
        if record is None:
            return False
        if record.kind != FETCHED:
            return record.asked_at >= began_at
        is_young = record.asked_at >= time.time() - 3600 * self._config.max_age_hours
        is_fresh = (is_young or record.asked_at >= began_at) and is_stored(self._shop, record.file)
        self.num_known += is_fresh
        return is_fresh

    async def _work(
        self,
        queue: deque[str],
        downloader: Downloader,
        pool: ThreadPoolExecutor,
        advance: Advance,
    ) -> None:
        """Take addresses of one host until there are none."""
        while queue:
            url = queue.popleft()
            self.records[url] = record = await self._ask(url, downloader, pool)
            self._fetched.put(record)
            self._num_failed += record.kind != FETCHED
            advance(1, f"{self._num_failed} failed" if self._num_failed else "")

    async def _ask(self, url: str, downloader: Downloader, pool: ThreadPoolExecutor) -> Record:
        """Ask for one address; where it fails, an image that it gave before stays."""
        known = self.records.get(url)
        if known is None or not known.file or not is_stored(self._shop, known.file):
            known = Record(url=url, kind="")
        now = time.time()
        try:
            found = await downloader.get(url, Validators(known.etag, known.last_modified))
            if found.data is None:
                if not known.file:
                    raise FetchFailure("status 304", "where no image was known")
                self.num_unchanged += 1
                return replace(known, kind=FETCHED, detail="", asked_at=now)
            file, likeness = await asyncio.get_running_loop().run_in_executor(
                pool, store, self._shop, found.data, self._config.max_side
            )
        except FetchFailure as failure:
            return replace(known, kind=failure.kind, detail=failure.detail, asked_at=now)
        self.num_fetched += 1
        self.num_bytes += len(found.data)
        return Record(
            url=url,
            kind=FETCHED,
            file=file,
            likeness=likeness,
            num_bytes=len(found.data),
            etag=found.validators.etag,
            last_modified=found.validators.last_modified,
            asked_at=now,
        )


def _host(url: str) -> str:
    try:
        return parse_url(url).host
    except FetchFailure:
        return ""
