"""The engine of Qdrant within this process, by the calls of its client.

It is what a node runs, with its filters, payload indexes and graphs; there are no requests, shards
or replicas.
"""

import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import qdrant_edge as edge
from qdrant_client import models

MEMORY = Path("/dev/shm")
"""Folder without a disk, where there is one: it syncs its files at every step."""
KINDS = {"keyword": "Keyword", "integer": "Integer", "float": "Float", "bool": "Keyword"}
"""Kinds of payload indexes. Its Python takes a bool in a filter for a number: these are texts."""


class Edge:
    """Collections by name, each in one shard, and their aliases."""

    def __init__(self):
        self._root = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self._shards, self._aliases, self._count = {}, {}, 0

    def close(self):
        for shard in self._shards.values():
            shard.close()
        shutil.rmtree(self._root)

    def info(self):
        return SimpleNamespace(version="1.20.0")

    def get_aliases(self):
        held = [SimpleNamespace(alias_name=a, collection_name=c) for a, c in self._aliases.items()]
        return SimpleNamespace(aliases=held)

    def update_collection_aliases(self, changes):
        for change in changes:
            if isinstance(change, models.DeleteAliasOperation):
                del self._aliases[change.delete_alias.alias_name]
            else:
                made = change.create_alias
                self._aliases[made.alias_name] = made.collection_name

    def collection_exists(self, name):
        return name in self._shards

    def get_collections(self):
        return SimpleNamespace(collections=[SimpleNamespace(name=name) for name in self._shards])

    def get_collection(self, name):
        self._shards[name].optimize()
        return SimpleNamespace(status=models.CollectionStatus.GREEN)

    def num_indexed(self, name):
        return self._shards[name].info().indexed_vectors_count

    def delete_collection(self, name):
        if name in self._shards:
            self._shards.pop(name).close()

    def create_collection(self, name, vectors_config, hnsw_config=None, **others):
        self._count += 1
        path = self._root / str(self._count)
        path.mkdir()
        vectors = {
            vector: edge.EdgeVectorParams(
                size=held.size,
                distance=edge.Distance.Cosine,
                quantization_config=_codes(held.quantization_config),
            )
            for vector, held in vectors_config.items()
        } or {"none": edge.EdgeVectorParams(size=1, distance=edge.Distance.Dot)}  # it wants one
        graph = hnsw_config and edge.HnswIndexConfig(
            m=hnsw_config.m, ef_construct=hnsw_config.ef_construct, full_scan_threshold=1
        )
        config = edge.EdgeConfig(
            vectors=vectors,
            hnsw_config=graph,
            wal_enabled=False,
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=1),
        )
        self._shards[name] = edge.EdgeShard.create(str(path), config)

    def update_collection(self, name, optimizers_config):
        pass

    def create_payload_index(self, name, field, kind):
        schema = getattr(edge.PayloadSchemaType, KINDS[kind.value])
        self._update(name, edge.UpdateOperation.create_field_index(field, schema))

    def upsert(self, name, points, update_filter=None, **others):
        made = [edge.Point(point.id, point.vector, _compared(point.payload)) for point in points]
        self._update(name, edge.UpdateOperation.upsert_points(made, _filter(update_filter)))

    def set_payload(self, name, payload, points, **others):
        self._update(name, edge.UpdateOperation.set_payload(points, payload))

    def delete_payload(self, name, keys, points, **others):
        found = _filter(points.filter)
        self._update(name, edge.UpdateOperation.delete_payload_by_filter(found, keys))

    def delete(self, name, selected, **others):
        if isinstance(selected, models.PointIdsList):
            self._update(name, edge.UpdateOperation.delete_points(selected.points))
        else:
            where = _filter(selected.filter)
            self._update(name, edge.UpdateOperation.delete_points_by_filter(where))

    def retrieve(self, name, ids, with_payload=True, with_vectors=False, **others):
        return self._shards[name].retrieve(list(ids), _payload(with_payload), with_vectors)

    def scroll(
        self,
        name,
        scroll_filter=None,
        limit=10,
        order_by=None,
        offset=None,
        with_payload=True,
        **others,
    ):
        order = order_by and edge.OrderBy(
            order_by.key, getattr(edge.Direction, order_by.direction.value.capitalize())
        )
        request = edge.ScrollRequest(
            offset, limit, _filter(scroll_filter), _payload(with_payload), False, order
        )
        return self._shards[name].scroll(request)

    def count(self, name, count_filter=None, exact=True):
        request = edge.CountRequest(exact, _filter(count_filter))
        return SimpleNamespace(count=self._shards[name].count(request))

    def facet(self, name, key, limit, exact, **others):
        return self._shards[name].facet(edge.FacetRequest(key, limit, exact))

    def query_points(
        self, name, query, using, query_filter, limit, search_params, with_payload, **others
    ):
        codes = search_params.quantization
        request = edge.QueryRequest(
            limit,
            query=edge.Query.Nearest(query, using),
            filter=_filter(query_filter),
            with_payload=_payload(with_payload),
            params=edge.SearchParams(
                hnsw_ef=search_params.hnsw_ef,
                exact=search_params.exact,
                quantization=edge.QuantizationSearchParams(
                    ignore=codes.ignore, rescore=codes.rescore, oversampling=codes.oversampling
                ),
            ),
        )
        return SimpleNamespace(points=self._shards[name].query(request))

    def _update(self, name, operation):
        self._shards[name].update(operation)


def _codes(config):
    if config is None:
        return None
    return edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, always_ram=True)


def _payload(wanted):
    return edge.PayloadSelector.Include(wanted) if isinstance(wanted, list) else wanted


def _filter(where):
    if where is None:
        return None
    parts = {name: getattr(where, name) for name in ("must", "should", "must_not")}
    return edge.Filter(
        **{
            name: [_condition(one) for one in (held if isinstance(held, list) else [held])]
            for name, held in parts.items()
            if held
        }
    )


def _condition(one):
    match one:
        case models.Filter():
            return _filter(one)
        case models.IsEmptyCondition():
            return edge.IsEmptyCondition(one.is_empty.key)
        case models.HasIdCondition():
            return edge.HasIdCondition(set(one.has_id))
    if one.range is not None:
        ends = {name: getattr(one.range, name) for name in ("gte", "gt", "lte", "lt")}
        return edge.FieldCondition(one.key, range=edge.RangeFloat(**ends))
    kind = getattr(edge, type(one.match).__name__)
    (value,) = one.match.model_dump().values()
    return edge.FieldCondition(one.key, match=kind(_texts(value)))


def _compared(payload):
    """Write true and false as texts where filters compare them."""
    return {**payload, "f": _texts(payload["f"])} if "f" in payload else payload


def _texts(value):
    if isinstance(value, dict):
        return {name: _texts(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_texts(one) for one in value]
    return str(value).lower() if isinstance(value, bool) else value
