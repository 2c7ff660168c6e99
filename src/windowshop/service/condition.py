"""Condition of a service: whether it answers searches, and what it refuses, tried out now."""

from pathlib import Path
from tempfile import TemporaryFile

from windowshop.errors import DamagedError, StorageError
from windowshop.index import IMAGES_FOLDER
from windowshop.search import SearchRequest
from windowshop.service.generation_pool import GenerationPool
from windowshop.service.http.errors import ServiceError, as_service_error
from windowshop.service.logs.tables import LogDatabase

PROBE = SearchRequest(text="ready", limit=1)
PROBE_BYTES = 2**20
"""Room for a few writes, and for the steps of the database."""


def refused_now(pool: GenerationPool, logs: LogDatabase) -> dict[str, str]:
    """Return what is refused now, with the reason; raises ServiceError 503 where searches fail."""
    try:
        with pool.lease() as searcher:
            searcher.answer(PROBE)
    except Exception as error:  # noqa: BLE001 (told, and logged as any other)
        message = f"Searches fail: {as_service_error(error)}"
        raise ServiceError(503, "not_ready", message, headers={"Retry-After": "1"}) from None
    folders = (pool.folder, pool.folder / IMAGES_FOLDER)  # which may be disks of their own
    reasons = [reason for folder in folders if (reason := _why_unwritable(folder))]
    refused = {"writes": reasons[0]} if reasons else {}
    if pool.damage is not None:
        refused["writes"] = "The products' database is damaged: the server's log has the remedy."
    try:
        logs()
    except StorageError:
        refused["feedback"] = "Its database cannot be opened now."
    except DamagedError:
        refused["feedback"] = "Its database is damaged: the server's log has the remedy."
    return refused


def _why_unwritable(folder: Path) -> str | None:
    """Write a file without a name, which leaves nothing; returns why that fails."""
    if not folder.is_dir():
        return None
    try:
        with TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return None
