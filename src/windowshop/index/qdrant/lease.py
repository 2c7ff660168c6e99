"""Turns of the processes that write a generation.

Qdrant has no transactions. A writer puts its mark on the generation's point, where that has not
changed since it was read; adds points that no search sees yet; and then writes the number of the
change on that same point, by which all of it is seen at once. What a writer that died has left is
taken back by the next, once the mark has not moved for a while.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from qdrant_client import models

from windowshop.errors import StorageError, WindowshopError
from windowshop.index.qdrant.connect import STRONG, Server
from windowshop.index.qdrant.layout import (
    Generation,
    current,
    points_of,
    read_generation,
    write_generation,
)

KEPT_SECONDS, RENEWED_SECONDS = 60.0, 15.0
"""Time that a mark holds without a change, and after which its writer renews it."""
PAUSE_SECONDS = 0.05


class Lease:
    """Turn of one writer."""

    def __init__(self, server: Server, generation: Generation) -> None:
        """Take a generation that has the writer's mark."""
        self._server, self.generation, self.began = server, generation, generation
        self._renewed = time.monotonic()

    def keep(self) -> None:
        """Renew the mark where it grows old; raises StorageError where another writer took over."""
        if time.monotonic() - self._renewed > RENEWED_SECONDS:
            self._write(self.generation)

    def commit(self, generation: Generation) -> None:
        """Let searches see what was written; raises StorageError where that is not certain."""
        self._write(generation)

    def _write(self, generation: Generation) -> None:
        """Write the generation's point; raises StorageError where it is no longer as it was."""
        written = write_generation(self._server, generation)
        if written is None:
            raise StorageError(
                f"{self._server.place}: another process took over from this one, which waited too "
                "long. Send the products again."
            )
        self.generation, self._renewed = written, time.monotonic()


@contextmanager
def writing(server: Server, name: str, *, of_current: bool = True) -> Iterator[Lease]:
    """Give the products of a generation to one writer at a time.

    What the block wrote without a commit is taken back. Raises StorageError, with `of_current`,
    where another generation was made current: it would lack the write.
    """
    lease = Lease(server, _marked(server, name))
    try:
        if of_current and (found := current(server)) != name:
            raise StorageError(
                f"{server.place}: writes go to generation {found}, and {name} was opened. Send the "
                "products again once the service has followed."
            )
        yield lease
    except BaseException:
        with suppress(WindowshopError):  # else the next writer does it
            _abandon(server, lease)
        raise
    with suppress(WindowshopError):
        _release(server, lease)


def take_back(server: Server, generation: Generation) -> None:
    """Remove what was written without a commit."""
    points = points_of(server, generation.name)
    born = models.FieldCondition(key="born", range=models.Range(gt=generation.seq))
    died = models.FieldCondition(key="died", range=models.Range(gt=generation.seq))
    with server.named():
        server.client.delete(
            points, models.FilterSelector(filter=models.Filter(must=[born])), ordering=STRONG
        )
        server.client.delete_payload(
            points,
            ["died"],
            points=models.FilterSelector(filter=models.Filter(must=[died])),
            ordering=STRONG,
        )


def _marked(server: Server, name: str) -> Generation:
    """Put the mark of a new writer on a generation, when no other has one, and return it."""
    mark, seen, since = uuid.uuid4().hex, -1, time.monotonic()
    while True:
        held = read_generation(server, name)
        if held.version != seen:
            seen, since = held.version, time.monotonic()
        is_left = time.monotonic() - since > KEPT_SECONDS
        if (not held.writer or is_left) and (
            marked := write_generation(server, replace(held, writer=mark))
        ):
            if held.writer:
                take_back(server, marked)
            return marked
        time.sleep(PAUSE_SECONDS)


def _abandon(server: Server, lease: Lease) -> None:
    """Take back what was not committed, and take the mark off."""
    held = read_generation(server, lease.generation.name)
    if held.writer != lease.began.writer:
        return
    if held.seq == lease.began.seq:
        fenced = write_generation(server, held)  # a commit still on its way comes too late now
        if fenced is None:
            return
        take_back(server, fenced)
    _release(server, lease)


def _release(server: Server, lease: Lease) -> None:
    """Take the mark off, unless another writer has put its own."""
    held = read_generation(server, lease.generation.name)
    if held.writer == lease.generation.writer:
        write_generation(server, replace(held, writer=""))
