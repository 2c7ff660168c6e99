"""Bulk formats: parquet, Qdrant, Milvus, OpenSearch and pgvector.

Each function writes files into an empty folder, one part of the catalogue after the other, and
returns how to load them. The formats are those of the systems' documentation:

- Qdrant: bodies of `PUT /collections/NAME` and `PUT /collections/NAME/points`.
- Milvus: body of `/v2/vectordb/collections/create`, and parquet files for its bulk import.
- OpenSearch: an index with a `knn_vector`, and bodies of `_bulk`.
- pgvector: SQL of a table, and text files of `COPY`.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from windowshop.data import inner_type
from windowshop.index.exports.catalogue import EMBEDDING, JSON_COLUMNS, Catalogue, Part

ID_SPACE = uuid.UUID("6f1d2b1c-6c52-5a0e-9a4e-6f0d9a3c7f10")
"""Namespace of the points' ids, which Qdrant wants to be numbers or UUIDs."""
MAX_VARCHAR = 65_535
"""Bytes of a text in Milvus."""
SHORT = orjson.OPT_SERIALIZE_NUMPY
"""Option that writes 32-bit floats in as few digits as they need."""
KEYWORD_BYTES = 8_191
"""Longest text that OpenSearch compares whole."""
Writer = Callable[[Path, Catalogue], str]


def write_parquet(folder: Path, catalogue: Catalogue) -> str:
    """Write parquet files of all columns, with the vector as a list of 32-bit floats."""
    for path, part in _numbered(folder, "products", "parquet", catalogue):
        part.products.with_columns(_vectors(part)).write_parquet(path)
    return "Read all files as one table: `polars.read_parquet('products-*.parquet')`."


def write_qdrant(folder: Path, catalogue: Catalogue) -> str:
    """Write the bodies that make a collection and put its points."""
    body = {"vectors": {"size": catalogue.width, "distance": "Cosine"}}
    (folder / "collection.json").write_bytes(orjson.dumps(body))
    for path, part in _numbered(folder, "points", "json", catalogue):
        points = [
            {"id": str(uuid.uuid5(ID_SPACE, row["product_id"])), "vector": vector, "payload": row}
            for row, vector in part.rows()
            if vector is not None
        ]
        path.write_bytes(orjson.dumps({"points": points}, option=SHORT))
    return (
        "curl -X PUT $QDRANT/collections/products -H 'Content-Type: application/json' "
        "-d @collection.json\n"
        "for f in points-*.json; do curl -X PUT $QDRANT/collections/products/points?wait=true "
        "-H 'Content-Type: application/json' -d @$f; done"
    )


def write_milvus(folder: Path, catalogue: Catalogue) -> str:
    """Write the body that makes a collection, and parquet files for the bulk import."""
    names = _unique(
        {name: re.sub(r"\W|^(?=\d)", "_", name, flags=re.A) for name in catalogue.schema}
    )
    fields = [
        {
            "fieldName": names[name],
            "isPrimary": name == "product_id",
            "nullable": name != "product_id",
            **_milvus_type(name, dtype),
        }
        for name, dtype in catalogue.schema.items()
    ]
    vector = {
        "fieldName": EMBEDDING,
        "dataType": "FloatVector",
        "elementTypeParams": {"dim": catalogue.width},
    }
    body = {
        "collectionName": "products",
        "schema": {"autoId": False, "enableDynamicField": False, "fields": [*fields, vector]},
        "indexParams": [{"fieldName": EMBEDDING, "indexName": EMBEDDING, "metricType": "COSINE"}],
    }
    (folder / "collection.json").write_bytes(orjson.dumps(body, option=orjson.OPT_INDENT_2))
    for path, part in _numbered(folder, "products", "parquet", catalogue):
        kept = part.products.with_columns(_vectors(part)).filter(pl.Series(part.has_vector_N))
        texts = [
            pl.col(name).dt.to_string("iso") for name, t in kept.schema.items() if t.is_temporal()
        ]
        kept.with_columns(texts).rename(names).write_parquet(path)
    return (
        "Create the collection: POST collection.json to $MILVUS/v2/vectordb/collections/create; "
        "put the parquet files into Milvus' bucket, and name them in "
        "/v2/vectordb/jobs/import/create."
    )


def write_opensearch(folder: Path, catalogue: Catalogue) -> str:
    """Write an index with a `knn_vector`, and bodies of its bulk interface."""
    names = _unique({name: name.replace(".", "_") for name in catalogue.schema})
    properties: dict[str, Any] = {
        names[name]: _opensearch_type(name, dtype) for name, dtype in catalogue.schema.items()
    }
    properties[EMBEDDING] = {
        "type": "knn_vector",
        "dimension": catalogue.width,
        "method": {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"},
    }
    body = {"settings": {"index": {"knn": True}}, "mappings": {"properties": properties}}
    (folder / "index.json").write_bytes(orjson.dumps(body, option=orjson.OPT_INDENT_2))
    for path, part in _numbered(folder, "bulk", "ndjson", catalogue):
        lines = []
        for row, vector in part.rows():
            document = {names[name]: value for name, value in row.items()}
            if vector is not None:
                document[EMBEDDING] = vector
            lines += [
                orjson.dumps({"index": {"_id": row["product_id"]}}),
                orjson.dumps(document, option=SHORT),
            ]
        path.write_bytes(b"\n".join(lines) + b"\n")
    return (
        "curl -X PUT $OPENSEARCH/products -H 'Content-Type: application/json' -d @index.json\n"
        "for f in bulk-*.ndjson; do curl -X POST $OPENSEARCH/products/_bulk "
        "-H 'Content-Type: application/x-ndjson' --data-binary @$f; done"
    )


def write_pgvector(folder: Path, catalogue: Catalogue) -> str:
    """Write the SQL of a table with a vector, and text files that COPY reads."""
    columns = [
        f"    {_quoted(name)} {'text PRIMARY KEY' if name == 'product_id' else _sql_type(name, t)}"
        for name, t in catalogue.schema.items()
    ]
    columns.append(f"    {EMBEDDING} vector({catalogue.width})")
    create = "CREATE EXTENSION IF NOT EXISTS vector;\nCREATE TABLE products (\n"
    (folder / "schema.sql").write_text(create + ",\n".join(columns) + "\n);\n", "utf-8")
    copies = []
    for path, part in _numbered(folder, "products", "copy", catalogue):
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for row, vector in part.rows():
                cells = [_copied(row.get(n), t) for n, t in catalogue.schema.items()]
                cells.append(
                    r"\N" if vector is None else orjson.dumps(vector, option=SHORT).decode()
                )
                file.write("\t".join(cells) + "\n")
        listed = ", ".join([*map(_quoted, catalogue.schema), EMBEDDING])
        copies.append(f"\\copy products ({listed}) FROM '{path.name}'\n")
    index = f"CREATE INDEX ON products USING hnsw ({EMBEDDING} vector_cosine_ops);\n"
    (folder / "load.sql").write_text("\\i schema.sql\n" + "".join(copies) + index, "utf-8")
    return "psql -f load.sql"


def _numbered(
    folder: Path, name: str, suffix: str, catalogue: Catalogue
) -> Iterator[tuple[Path, Part]]:
    for number, part in enumerate(catalogue.parts):
        yield folder / f"{name}-{number:05}.{suffix}", part


def _vectors(part: Part) -> pl.Series:
    """Return the vectors as a column of lists, null where a product has none."""
    rows = zip(part.has_vector_N, part.vector_NP, strict=True)
    values = [vector_P.tolist() if has_vector else None for has_vector, vector_P in rows]
    return pl.Series(EMBEDDING, values, dtype=pl.List(pl.Float32))


def _unique(names: dict[str, str]) -> dict[str, str]:
    """Number the names that came out alike."""
    taken: set[str] = {EMBEDDING}
    for name, other in names.items():
        number = 2
        while names[name] in taken:
            names[name], number = f"{other}_{number}", number + 1
        taken.add(names[name])
    return names


def _milvus_type(name: str, dtype: pl.DataType) -> dict[str, Any]:
    if isinstance(dtype, pl.List):
        inner = _milvus_type("", inner_type(dtype))
        return {
            "dataType": "Array",
            "elementDataType": inner["dataType"],
            "elementTypeParams": {"max_capacity": 1024, **inner.get("elementTypeParams", {})},
        }
    if name in JSON_COLUMNS:
        return {"dataType": "JSON"}
    if dtype == pl.Boolean:
        return {"dataType": "Bool"}
    if dtype.is_integer():
        return {"dataType": "Int64"}
    if dtype.is_numeric():
        return {"dataType": "Double"}
    return {"dataType": "VarChar", "elementTypeParams": {"max_length": MAX_VARCHAR}}


def _opensearch_type(name: str, dtype: pl.DataType) -> dict[str, Any]:
    inner = inner_type(dtype) if isinstance(dtype, pl.List) else dtype
    if name in JSON_COLUMNS:
        return {"type": "object", "enabled": False}
    if inner == pl.Boolean:
        return {"type": "boolean"}
    if inner.is_integer():
        return {"type": "long"}
    if inner.is_numeric():
        return {"type": "double"}
    if inner.is_temporal():
        return {"type": "date"}
    keyword = {"type": "keyword", "ignore_above": KEYWORD_BYTES}
    if name.endswith("_id"):
        return keyword
    return {"type": "text", "fields": {"keyword": keyword}}


def _sql_type(name: str, dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.List):
        return f"{_sql_type('', inner_type(dtype))}[]"
    if name in JSON_COLUMNS:
        return "jsonb"
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_integer():
        return "bigint"
    if dtype.is_numeric():
        return "double precision"
    if dtype == pl.Date:
        return "date"
    return "timestamp" if dtype.is_temporal() else "text"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _copied(value: object, dtype: pl.DataType) -> str:
    """Return a value as the text format of COPY has it."""
    if value is None:
        return r"\N"
    if isinstance(value, list):
        items = ["NULL" if item is None else _array_item(item) for item in value]
        text = "{" + ",".join(items) + "}"
    elif isinstance(value, dict):
        text = orjson.dumps(value).decode()
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
    text = text.replace("\0", "").replace("\\", r"\\")
    return text.replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")


def _array_item(item: object) -> str:
    if isinstance(item, bool | int | float):
        return str(item).lower()
    return '"' + str(item).replace("\\", r"\\").replace('"', r"\"") + '"'
