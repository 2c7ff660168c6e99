"""An index -> a generation in Qdrant, in parts, and switched to when it is whole."""

import base64
import time
import uuid
from contextlib import nullcontext
from dataclasses import replace

from qdrant_client import models

from windowshop.errors import StorageError
from windowshop.index.qdrant.connect import STRONG, Server
from windowshop.index.qdrant.layout import (
    Generation,
    catalogue_of,
    create_catalogue,
    create_generation,
    current,
    delete_files,
    drop_generation,
    generations,
    make_current,
    points_of,
    read_generation,
    write_generation,
)
from windowshop.index.qdrant.lease import writing
from windowshop.index.qdrant.points import indexable, product_points
from windowshop.index.qdrant.store import write_points
from windowshop.index.remote import Content, PushConfig, Pushed, file_parts
from windowshop.index.rows import types_of
from windowshop.progress import Reporter

PART_ROWS = 1_000
PART_BYTES = 4 << 20
INDEXED_FROM = 10_000
"""Kilobytes of vectors of a segment from which Qdrant builds a graph, as by its default."""
PAUSE_SECONDS = 1.0


def push(content: Content, server: Server, reporter: Reporter, config: PushConfig) -> Pushed:
    """Copy an index to a cluster and make it current; see `windowshop.index.push_index`."""
    server.require_version()
    create_catalogue(server, config)
    if (name := current(server)) is not None:
        _require_no_writes(server, read_generation(server, name), config)
    return _Push(server, content, reporter, config).run()


def file_id(generation: str, path: str, part: int) -> str:
    """Return the id of the point of a part of a file."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"windowshop:{generation}/{part}/{path}"))


class _Push:
    """Push of one state of an index."""

    def __init__(
        self, server: Server, content: Content, reporter: Reporter, config: PushConfig
    ) -> None:
        self._server, self._content = server, content
        self._reporter, self._config = reporter, config

    def run(self) -> Pushed:
        """Copy what is missing, index it, and switch."""
        generation = self._begun()
        loaded, total = generation.num_keys, len(self._content.living.keys)
        if not generation.is_ready:
            with self._reporter.bar("Copy products", total) as advance:
                advance(loaded, "")
                while generation.num_keys < total:
                    before = generation.num_keys
                    generation = self._copy(generation)
                    advance(generation.num_keys - before, "")
            generation = self._copy_files(generation)
            self._build_graphs(generation)
        self._switch(generation)
        return Pushed(generation=generation.name, num_products=total, num_found=loaded)

    def _begun(self) -> Generation:
        """Return the generation of this state of the index, made where there is none.

        Others that are not whole are dropped.
        """
        held = generations(self._server)
        for one in held:
            if not one.is_ready and one.source != self._content.source:
                drop_generation(self._server, one.name)
        for one in held:
            if one.source == self._content.source and one.seq <= one.pushed_seq:
                return one
        number = max((one.number for one in held), default=0) + 1
        table = self._content.living.table
        generation = Generation(
            name=f"g{number}",
            source=self._content.source,
            types=types_of(table),
            indexed=indexable(table),
        )
        create_generation(self._server, generation, self._content.spec, self._config)
        return generation

    def _copy(self, generation: Generation) -> Generation:
        """Copy the next part of the products."""
        start = generation.num_keys
        keys = self._content.living.keys[start : start + PART_ROWS]
        rows = self._content.living.table[start : start + PART_ROWS]
        points = product_points(rows, start, 0, self._content.vectors(keys))
        write_points(self._server, generation.name, points)
        num_keys = start + len(rows)
        return self._noted(replace(generation, num_keys=num_keys, num_living=num_keys))

    def _copy_files(self, generation: Generation) -> Generation:
        delete_files(self._server, generation.name)
        counts = {}
        for path, file in self._content.files.items():
            for part, content in enumerate(file_parts(file, PART_BYTES)):
                payload = {
                    "kind": "file",
                    "generation": generation.name,
                    "content": base64.b64encode(content).decode(),
                }
                point = models.PointStruct(
                    id=file_id(generation.name, path, part), vector={}, payload=payload
                )
                with self._server.named():
                    self._server.client.upsert(catalogue_of(self._server), [point], ordering=STRONG)
                counts[path] = part + 1
        return self._noted(replace(generation, files=counts))

    def _build_graphs(self, generation: Generation) -> None:
        """Let the cluster build its graphs, and wait for them."""
        points = points_of(self._server, generation.name)
        with self._server.named():
            self._server.client.update_collection(
                points,
                optimizers_config=models.OptimizersConfigDiff(indexing_threshold=INDEXED_FROM),
            )
            while True:
                status = self._server.client.get_collection(points).status
                if status == models.CollectionStatus.GREEN:
                    return
                if status == models.CollectionStatus.RED:
                    raise StorageError(
                        f"{self._server.place}: collection {points} is in state red. See the log "
                        "of the cluster, and push again."
                    )
                time.sleep(PAUSE_SECONDS)

    def _switch(self, generation: Generation) -> None:
        """Make the generation current, and drop those that cannot be returned to."""
        name = current(self._server)
        turn = nullcontext() if name is None else writing(self._server, name)
        with turn as lease:
            seq = max(generation.seq, self._content.seq)
            if lease is not None:
                _require_no_writes(self._server, lease.generation, self._config)
                seq = max(seq, lease.generation.seq)
            if name != generation.name:
                self._noted(
                    replace(generation, is_ready=True, seq=seq, pushed_seq=seq, previous=name or "")
                )
                make_current(self._server, generation.name)
        if name != generation.name:
            for one in generations(self._server):
                if one.name not in (name, generation.name):
                    drop_generation(self._server, one.name)

    def _noted(self, generation: Generation) -> Generation:
        written = write_generation(self._server, generation)
        if written is None:
            raise StorageError(
                f"{self._server.place}: another process pushes to it. Wait until it has ended."
            )
        return written


def _require_no_writes(server: Server, generation: Generation, config: PushConfig) -> None:
    count = generation.seq - generation.pushed_seq
    if count > 0 and not config.replace_writes:
        raise StorageError(
            f"{server.place}: has {count} writes since the last push, which the index lacks. Write "
            "these products to the index too, then push with --replace-writes."
        )
