"""The page of a service: its settings, read again when they change, with the columns they name."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from windowshop.errors import ConfigError, StorageError
from windowshop.search import Searcher
from windowshop.service.page.colours import accents
from windowshop.service.page.columns import ColumnFacts, attribute_names, facts_of
from windowshop.service.page.guess import guess_page, label_of
from windowshop.service.page.settings import PAGE_FILE, PageSettings, save_page
from windowshop.service.page.use import FacetUse
from windowshop.settings import load_settings

LOG = logging.getLogger(__name__)
FACTS_SECONDS = 600.0
"""Age from which facts of a changed catalogue are found again."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Columns of one state of the catalogue."""

    state: tuple[str, int]
    """Generation and number of writes."""
    facts: Mapping[str, ColumnFacts]
    attributes: Sequence[str]
    found: float


class ShopPage:
    """Settings of a page; for many threads."""

    def __init__(self, folder: Path, currency: str) -> None:
        """`currency` is that of the service, where products name none."""
        self._folder, self._currency = folder, currency
        self._lock = threading.Lock()
        self.use = FacetUse(folder)
        self._catalogue: Catalogue | None = None
        self._read: tuple[object, ...] = ()
        self._settings = PageSettings()
        self._problem = ""

    def answer(self, searcher: Searcher, num_written: int) -> dict[str, Any]:
        """Return what the page is told, from the settings as they are now."""
        with self._lock:
            catalogue = self._renewed(searcher, num_written)
            self._renew_settings(catalogue, searcher)
            settings, problem = self._settings, self._problem
        is_by_use = settings.facet_order == "use"
        order = self.use.ordered(settings.facets) if is_by_use else settings.facets
        return _answer(replace(settings, facets=tuple(order)), catalogue, problem, self._folder)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Columns that the page does not show, as of the latest answer."""
        return self._settings.hidden

    def logo(self) -> Path | None:
        """Return the file of the logo, None where there is none."""
        return _logo(self._settings, self._folder)

    def _renewed(self, searcher: Searcher, num_written: int) -> Catalogue:
        state, known = (searcher.index.generation, num_written), self._catalogue
        if known is not None and known.state == state:
            return known
        now = time.monotonic()
        is_same = known is not None and known.state[0] == state[0]
        if known is not None and is_same and now - known.found < FACTS_SECONDS:
            return known
        with searcher.index.collection.read_view() as view:
            table = view.columns.living().table
        self._catalogue = Catalogue(state, facts_of(table), attribute_names(table), now)
        return self._catalogue

    def _renew_settings(self, catalogue: Catalogue, searcher: Searcher) -> None:
        path = self._folder / PAGE_FILE
        try:
            status = path.stat()
            read: tuple[object, ...] = (status.st_mtime_ns, status.st_size, id(catalogue))
        except OSError:
            read = ("absent", id(catalogue))
        if read == self._read:
            return
        self._read = read
        if read[0] == "absent":
            self._settings, self._problem = self._guessed(catalogue, searcher), ""
            self._save()
            return
        try:
            self._settings = _loaded(path, catalogue)
            self._problem = ""
        except ConfigError as error:
            LOG.error("the page's settings are left as they were: %s", error)
            if not self._problem and self._settings == PageSettings():
                self._settings = self._guessed(catalogue, searcher)
            self._problem = str(error).replace(str(path), PAGE_FILE)

    def _guessed(self, catalogue: Catalogue, searcher: Searcher) -> PageSettings:
        roles = searcher.index.manifest.column_roles
        facts, attributes = catalogue.facts, catalogue.attributes
        return guess_page(self._folder, facts, attributes, roles, self._currency)

    def _save(self) -> None:
        try:
            save_page(self._settings, self._folder)
            status = (self._folder / PAGE_FILE).stat()
            self._read = (status.st_mtime_ns, status.st_size, id(self._catalogue))
        except (OSError, StorageError) as error:
            LOG.warning("%s cannot be written, and is guessed at each start: %s", PAGE_FILE, error)


def _loaded(path: Path, catalogue: Catalogue) -> PageSettings:
    settings = load_settings(path, PageSettings)
    try:
        settings.require_columns(catalogue.facts, catalogue.attributes)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    if settings.logo and not (path.parent / settings.logo).is_file():
        raise ConfigError(f"{path}: logo: there is no file {settings.logo!r} beside it.")
    return settings


def _answer(
    settings: PageSettings, catalogue: Catalogue, problem: str, folder: Path
) -> dict[str, Any]:
    labels = settings.labels
    facets = [
        {
            "column": name,
            "label": labels.get(name) or label_of(name),
            "kind": _kind(catalogue.facts[name]),
        }
        for name in settings.facets
        if name in catalogue.facts and name not in settings.hidden
    ]
    sorts = [
        {"by": option.by, "label": option.label or label_of(option.column)}
        for option in settings.sorts
    ]
    logo = _logo(settings, folder)
    return {
        "name": settings.name,
        "logo": f"page/logo?v={logo.stat().st_mtime_ns}" if logo else None,
        "accents": accents(settings.accent),
        "currency": settings.currency,
        "locale": settings.locale,
        "product_link": settings.product_link,
        "sale_price": settings.sale_price,
        "list_price": settings.list_price,
        "facets": facets,
        "sorts": sorts,
        "shown": list(settings.shown),
        "hidden": list(settings.hidden),
        "labels": labels,
        "has_images": "image" in catalogue.facts and catalogue.facts["image"].filled > 0,
        "problem": problem,
    }


def _logo(settings: PageSettings, folder: Path) -> Path | None:
    path = folder / settings.logo
    return path if settings.logo and path.is_file() else None


def _kind(column: ColumnFacts) -> str:
    if column.is_path:
        return "tree"
    if column.is_colour:
        return "colour"
    return "range" if column.type == "number" else "values"
