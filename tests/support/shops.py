"""A small sound shop for tests to damage."""

import io
import json
import struct
import zlib

import numpy as np
import polars as pl
from PIL import Image


def image_bytes(seed=0, *, mode="RGB", size=(16, 16), format="PNG"):
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(buffer, format)
    return buffer.getvalue()


def png_chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


HUGE_PNG = (
    b"\x89PNG\r\n\x1a\n"
    + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    + png_chunk(b"IDAT", zlib.compress(b""))
)


PRODUCTS = [
    {"product_id": "p1", "title": "Red shoe", "image": "p1.png"},
    {"product_id": "p2", "title": "Blue shoe", "image": "p2.png"},
    {"product_id": "p3", "title": "Green shoe", "image": None},
]
QUERIES = [
    {"query_id": "q1", "query": "red shoe", "split": "train"},
    {"query_id": "q2", "query": "blue shoe", "split": "dev"},
    {"query_id": "q3", "query": "green shoe", "split": "test"},
]
QRELS = [
    {"query_id": "q1", "product_id": "p1", "grade": 3},
    {"query_id": "q2", "product_id": "p2", "grade": 3},
    {"query_id": "q3", "product_id": "p3", "grade": 1},
]
IMAGES = {"p1.png": image_bytes(1), "p2.png": image_bytes(2)}


def write_shop(folder, tables=(), files=(), suffix=".jsonl"):
    """A sound shop, apart from the tables and files given; None leaves one out."""
    folder.mkdir(exist_ok=True)
    for name, rows in (
        {"products": PRODUCTS, "queries": QUERIES, "qrels": QRELS} | dict(tables)
    ).items():
        if rows is not None:
            write_table(folder / f"{name}{suffix}", rows)
    for name, content in (IMAGES | dict(files)).items():
        if content is not None:
            (folder / name).write_bytes(content)
    return folder


def write_table(path, rows):
    if path.suffix == ".jsonl":
        path.write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8"
        )
        return
    frame = pl.DataFrame(rows, infer_schema_length=None)
    frame.write_csv(path) if path.suffix == ".csv" else frame.write_parquet(path)


def changed(rows, number, **fields):
    """The rows with other fields in one of them, the first is 1."""
    return [row | fields if i == number else row for i, row in enumerate(rows, start=1)]


def without(rows, *names):
    return [{name: value for name, value in row.items() if name not in names} for row in rows]
