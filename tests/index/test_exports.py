"""Exports of products: each form read back by the rules of the system that it is for."""

import csv
import json
import re
from collections import Counter

import numpy as np
import polars as pl
import pytest

from windowshop.data import read_dataset
from windowshop.errors import ExportError
from windowshop.files import PRODUCTS, check_folder
from windowshop.index import data_catalogue, export_products, index_catalogue
from windowshop.index.exports.catalogue import Catalogue, Part
from windowshop.progress import SILENT

KINDS = ("parquet", "qdrant", "milvus", "opensearch", "pgvector")


@pytest.fixture(scope="module")
def vectors(colours, colours_model):
    """Vectors of the shop's products as the model gives them, by id; none for p5."""
    dataset = read_dataset(colours / "data")
    found = colours_model.encode_products(
        dataset.products, dataset.root, cache=colours / "cache"
    ).vectors
    named = zip(dataset.products["product_id"], found, strict=True)
    return {name: vector for name, vector in named if vector.any()}


@pytest.fixture
def exported(colours_index, tmp_path):
    def export(kind):
        manifest = export_products(index_catalogue(colours_index), kind, tmp_path / kind)
        assert (manifest.num_products, manifest.num_without_vector) == (12, 1)
        assert not check_folder(tmp_path / kind, PRODUCTS).damage
        return tmp_path / kind

    return export


def same(found, vectors):
    assert found.keys() == vectors.keys()
    for name, vector in found.items():
        assert np.allclose(vector, vectors[name], atol=2e-3)
        assert np.isclose(np.linalg.norm(vector), 1, atol=1e-5)


def test_parquet(exported, vectors):
    table = pl.read_parquet(exported("parquet") / "products-*.parquet")
    assert table["product_id"].n_unique() == 12
    same(dict(table.drop_nulls("embedding").select("product_id", "embedding").iter_rows()), vectors)
    assert table.filter(product_id="p7")["stock"].to_list() == [7]


def test_qdrant(exported, vectors):
    folder = exported("qdrant")
    made = json.loads((folder / "collection.json").read_text())
    width = len(next(iter(vectors.values())))
    assert made == {"vectors": {"size": width, "distance": "Cosine"}}
    points = [
        point
        for path in folder.glob("points-*.json")
        for point in json.loads(path.read_text())["points"]
    ]
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", p["id"]) for p in points)
    same({point["payload"]["product_id"]: point["vector"] for point in points}, vectors)
    first = next(p["payload"] for p in points if p["payload"]["product_id"] == "p1")
    assert first["attributes"]["colour"] == "blue"
    assert first["price"] == 1.0


def test_milvus(exported, vectors):
    folder = exported("milvus")
    fields = json.loads((folder / "collection.json").read_text())["schema"]["fields"]
    table = pl.read_parquet(folder / "products-*.parquet")
    assert [field["fieldName"] for field in fields] == table.columns
    assert [f["fieldName"] for f in fields if f.get("isPrimary")] == ["product_id"]
    assert all(re.fullmatch(r"[A-Za-z_]\w*", name) for name in table.columns)
    assert fields[-1]["elementTypeParams"]["dim"] == len(table["embedding"][0])
    same(dict(table.select("product_id", "embedding").iter_rows()), vectors)


def test_opensearch(exported, vectors):
    folder = exported("opensearch")
    body = json.loads((folder / "index.json").read_text())
    properties = body["mappings"]["properties"]
    assert body["settings"]["index"]["knn"]
    assert properties["embedding"]["type"] == "knn_vector"
    assert properties["price"] == {"type": "double"}
    found = {}
    for path in folder.glob("bulk-*.ndjson"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            assert action == {"index": {"_id": document["product_id"]}}
            assert document.keys() <= properties.keys()
            found[document["product_id"]] = document
    assert len(found) == 12
    same({n: d["embedding"] for n, d in found.items() if "embedding" in d}, vectors)
    assert properties["embedding"]["dimension"] == len(found["p0"]["embedding"])


def read_copy(path):
    """Rows of a text file of COPY, by the rules of PostgreSQL's documentation."""
    escapes = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}
    for line in path.read_text(encoding="utf-8").removesuffix("\n").split("\n"):
        cells = line.split("\t")
        yield [
            None if c == r"\N" else re.sub(r"\\.", lambda found: escapes[found[0]], c)
            for c in cells
        ]


def test_pgvector(exported, vectors):
    folder = exported("pgvector")
    schema = (folder / "schema.sql").read_text()
    names = re.findall(r'^    "?(\w+)"? ', schema, re.MULTILINE)
    assert names[-1] == "embedding"
    rows = {}
    for path in sorted(folder.glob("*.copy")):
        assert path.name in (folder / "load.sql").read_text()
        rows |= {cells[names.index("product_id")]: cells for cells in read_copy(path)}
    assert all(len(cells) == len(names) for cells in rows.values())
    found = {n: json.loads(c[-1]) for n, c in rows.items() if c[-1] is not None}
    same(found, vectors)
    assert f"embedding vector({len(found['p0'])})" in schema
    assert json.loads(rows["p1"][names.index("attributes")])["colour"] == "blue"


NASTY = 'a\tb\\n "c"\nd\r\\N, {e} NULL é'


@pytest.fixture
def nasty():
    """A catalogue of two parts with values that forms must escape, and a name that is taken."""
    products = pl.DataFrame(
        {
            "product_id": ["1", "2"],
            "title": [NASTY, r"\N"],
            "sizes": [[NASTY, "x"], None],
            "numbers": [[1.5], []],
            "is new": [True, False],
            "is_new": [None, "yes"],
            "embedding": ["own", None],
            "made": pl.Series(["2024-03-01", None]).str.to_date(),
            "_internal": [1.0, 2.0],
        },
    )
    from windowshop.index.exports.catalogue import _tidied

    table = _tidied(products)
    vector_NP = np.array([[0.6, 0.8], [0, 0]], np.float32)

    class Source:
        def __enter__(self):
            parts = (Part(table[i : i + 1], vector_NP[i : i + 1]) for i in range(2))
            return Catalogue(model_key="key", width=2, schema=table.schema, parts=parts)

        def __exit__(self, *error):
            return None

    return Source()


@pytest.mark.parametrize("kind", KINDS)
def test_values_survive_every_form(nasty, tmp_path, kind):
    manifest = export_products(nasty, kind, tmp_path / kind)
    assert (manifest.num_products, manifest.num_without_vector) == (2, 1)
    folder = tmp_path / kind
    if kind == "pgvector":
        schema = (folder / "schema.sql").read_text()
        names = re.findall(r'^    ("[^"]+"|\w+) ', schema, re.MULTILINE)
        first, second = (row for p in sorted(folder.glob("*.copy")) for row in read_copy(p))
        named = dict(zip(names, first, strict=True))
        assert named['"title"'] == NASTY
        assert second[names.index('"title"')] == r"\N"
        assert second[-1] is None
        items = next(csv.reader([named['"sizes"'][1:-1]], escapechar="\\", doublequote=False))
        assert items[-1] == "x"
        assert (named['"is new"'], named['"numbers"'], named['"made"']) == (
            "true",
            "{1.5}",
            "2024-03-01",
        )
    elif kind == "milvus":
        table = pl.read_parquet(folder / "*.parquet")
        assert table["title"].to_list() == [NASTY]
        assert {"is_new", "is_new_2", "embedding_column"} <= set(table.columns)
    elif kind == "parquet":
        table = pl.read_parquet(folder / "*.parquet")
        assert table["title"].to_list() == [NASTY, r"\N"]
        assert "_internal" not in table.columns
    else:
        texts = [p.read_text() for p in sorted(folder.iterdir()) if p.name != "contents.json"]
        assert any(json.dumps(NASTY, ensure_ascii=False)[1:-1] in text for text in texts)
        assert all("_internal" not in text for text in texts)


def test_a_model_and_data_give_what_an_index_has(colours, colours_model, vectors, tmp_path):
    dataset = read_dataset(colours / "data")
    source = data_catalogue(colours_model, dataset, colours / "cache", SILENT)
    export_products(source, "parquet", tmp_path / "out")
    table = pl.read_parquet(tmp_path / "out/products-*.parquet").drop_nulls("embedding")
    same(dict(table.select("product_id", "embedding").iter_rows()), vectors)


def test_a_folder_of_something_else_is_not_replaced(colours_index, tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(ExportError, match="Choose another --out"):
        export_products(index_catalogue(colours_index), "parquet", tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "kept"


def test_an_export_that_fails_leaves_the_earlier_one(colours_index, tmp_path, monkeypatch):
    out = tmp_path / "out"
    export_products(index_catalogue(colours_index), "qdrant", out)
    before = Counter(path.name for path in out.iterdir())

    def fails(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Part, "rows", fails)
    with pytest.raises(KeyboardInterrupt):
        export_products(index_catalogue(colours_index), "qdrant", out)
    assert Counter(path.name for path in out.iterdir()) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_damage_is_found(exported, cli):
    folder = exported("qdrant")
    assert cli("check", folder).code == 0
    (folder / "points-00000.json").write_text("{}")
    assert cli("check", folder).code == 1
