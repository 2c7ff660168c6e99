"""Exports loaded into the systems that they are for, each skipped where its package is absent.

What they find first must be what the exact search of the same vectors finds.
"""

import json
import re

import numpy as np
import polars as pl
import pytest
from support.postgres import running

from windowshop.index import export_products, index_catalogue

QUERIES = ("blue shoe", "red shirt", "green")
K = 10


@pytest.fixture(scope="module")
def queries(colours_model):
    return [vector.tolist() for vector in colours_model.encode_queries([*QUERIES])]


@pytest.fixture(scope="module")
def exported(colours_index, tmp_path_factory):
    def export(kind):
        folder = tmp_path_factory.mktemp("exports") / kind
        export_products(index_catalogue(colours_index), kind, folder)
        return folder

    return export


@pytest.fixture(scope="module")
def expected(exported, queries):
    """Ids and scores of the exact search of each query."""
    table = pl.read_parquet(exported("parquet") / "products-*.parquet").drop_nulls("embedding")
    vectors, ids = np.array(table["embedding"].to_list()), table["product_id"].to_list()
    found = []
    for query in queries:
        scores = vectors @ np.array(query)
        found.append({ids[place]: float(scores[place]) for place in np.argsort(-scores)[:K]})
    return found


def same(found, expected):
    """Compare products and their order, but for scores that are nearly equal."""
    for hits, exact in zip(found, expected, strict=True):
        assert len(hits) == len(exact)
        for (_, score), wanted in zip(hits, exact.values(), strict=True):
            assert score == pytest.approx(wanted, abs=1e-4)
        for name, score in hits:
            if name in exact:
                assert score == pytest.approx(exact[name], abs=1e-4)


def test_qdrant_finds_the_same(exported, queries, expected):
    client_of = pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")
    models = client_of.models
    folder = exported("qdrant")
    client = client_of.QdrantClient(":memory:")
    body = models.CreateCollection.model_validate_json((folder / "collection.json").read_text())
    client.create_collection("products", vectors_config=body.vectors)
    for path in sorted(folder.glob("points-*.json")):
        points = models.PointsList.model_validate_json(path.read_text())
        client.upsert("products", points.points, wait=True)
    found = [
        [(point.payload["product_id"], point.score)
         for point in client.query_points("products", query=query, limit=K).points]
        for query in queries
    ]  # fmt: skip
    same(found, expected)
    only = models.Filter(must=[models.FieldCondition(
        key="product_id", match=models.MatchValue(value="p7"))])  # fmt: skip
    (hit,) = client.query_points("products", query=queries[0], query_filter=only).points
    assert hit.payload["stock"] == 7


def test_milvus_finds_the_same(exported, queries, expected, tmp_path):
    pymilvus = pytest.importorskip("pymilvus", reason="pymilvus is not installed")
    pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")
    folder = exported("milvus")
    body = json.loads((folder / "collection.json").read_text())
    client = pymilvus.MilvusClient(str(tmp_path / "milvus.db"))
    kinds = {kind.name.replace("_", ""): kind for kind in pymilvus.DataType}
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    for field in body["schema"]["fields"]:
        more = dict(field.get("elementTypeParams", {}))
        if "elementDataType" in field:
            more["element_type"] = kinds[field["elementDataType"].upper()]
        schema.add_field(
            field["fieldName"], kinds[field["dataType"].upper()],
            is_primary=field.get("isPrimary", False), nullable=field.get("nullable", False), **more
        )  # fmt: skip
    index = client.prepare_index_params()
    for item in body["indexParams"]:
        index.add_index(item["fieldName"], index_type="FLAT", metric_type=item["metricType"])
    client.create_collection("products", schema=schema, index_params=index)
    of_json = {f["fieldName"] for f in body["schema"]["fields"] if f["dataType"] == "JSON"}
    table = pl.read_parquet(folder / "products-*.parquet")
    rows = [
        {name: json.loads(value) if name in of_json and value else value
         for name, value in row.items()}
        for row in table.iter_rows(named=True)
    ]  # fmt: skip
    client.insert("products", rows)
    hits = client.search("products", data=queries, limit=K, output_fields=["product_id"],
                         consistency_level="Strong")  # fmt: skip
    found = [[(hit["entity"]["product_id"], hit["distance"]) for hit in some] for some in hits]
    client.close()
    same(found, expected)


def load(connection, folder):
    """Do what psql does with `load.sql`: `\\i` runs a file, `\\copy` streams one to the server."""
    for line in (folder / "load.sql").read_text().splitlines():
        if found := re.fullmatch(r"\\i (.+)", line):
            connection.execute((folder / found[1]).read_text())
        elif found := re.fullmatch(r"\\copy (.+) FROM '(.+)'", line):
            with connection.cursor().copy(f"COPY {found[1]} FROM STDIN") as copy:
                copy.write((folder / found[2]).read_bytes())
        elif line.strip():
            connection.execute(line)


def test_pgvector_finds_the_same(exported, queries, expected):
    folder = exported("pgvector")
    with running() as server:
        import psycopg

        with psycopg.connect(server.catalogue(), autocommit=True) as connection:
            schema = connection.execute("SHOW search_path").fetchone()[0]
            connection.execute(f"CREATE SCHEMA {schema}")
            connection.execute(f"SET search_path TO {schema}, public")
            load(connection, folder)
            nearest = (
                "SELECT product_id, 1 - (embedding <=> %(query)s::vector) FROM products WHERE "
                "embedding IS NOT NULL ORDER BY embedding <=> %(query)s::vector LIMIT %(k)s"
            )
            found = [
                connection.execute(nearest, {"query": str(query), "k": K}).fetchall()
                for query in queries
            ]
            told = connection.execute(
                "SELECT stock, attributes->>'colour' FROM products WHERE product_id = 'p7'"
            ).fetchone()
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
    assert told[0] == 7
    same(found, expected)


def test_opensearch_bodies_keep_the_rules_of_the_bulk_interface(exported, expected):
    """An action and a document by turns, a line each, of fields that the mapping has."""
    folder = exported("opensearch")
    index = json.loads((folder / "index.json").read_text())
    fields = index["mappings"]["properties"]
    assert index["settings"]["index"]["knn"] is True
    assert fields["embedding"]["dimension"] <= 16_000
    kinds = {"text", "keyword", "long", "double", "boolean", "date", "object", "knn_vector"}
    assert {field["type"] for field in fields.values()} <= kinds
    assert not [n for n in fields if n.startswith(("_", ".")) or "." in n or n != n.strip()]
    vectors = {}
    for path in folder.glob("bulk-*.ndjson"):
        content = path.read_bytes()
        assert content.endswith(b"\n")
        assert len(content) < 100 << 20
        lines = [json.loads(line) for line in content.splitlines()]
        assert len(lines) % 2 == 0
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            assert list(action) == ["index"]
            assert 0 < len(action["index"]["_id"].encode()) <= 512
            assert document.keys() <= fields.keys()
            if "embedding" in document:
                assert len(document["embedding"]) == fields["embedding"]["dimension"]
                vectors[action["index"]["_id"]] = document["embedding"]
    assert set(expected[0]) <= vectors.keys()
