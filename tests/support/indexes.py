"""A small shop to index, and how to look at an index of it."""

import json
from contextlib import closing

from support.shops import image_bytes, write_shop

from windowshop.index.open import open_index

COLOURS = ("red", "blue", "green")


def shop_rows(count=12):
    """Products p0.. with a colour, one to two sizes, a stock of their own, and images but for p2.

    p3 names an image that is not there, p4 two images, p5 has neither text nor an image.
    """
    rows = []
    for i in range(count):
        attributes = {"colour": COLOURS[i % 3], "size": ["S", "M"] if i % 2 else "S"}
        rows.append(
            {
                "product_id": f"p{i}",
                "title": f"{COLOURS[i % 3]} shoe number {i}",
                "brand": "Nike" if i % 2 else None,
                "price": float(i),
                "attributes": json.dumps(attributes),
                "image": None if i == 2 else f"{i}.png",
                "images": json.dumps(["extra.png"]) if i == 4 else None,
                "stock": i,
            }
        )
    texts = ("title", "brand", "price", "attributes", "image")
    rows[5] = rows[5] | dict.fromkeys(texts)
    return rows


IMAGES = {f"{i}.png": image_bytes(i, size=(40, 40)) for i in range(14) if i not in (2, 3, 5)}
IMAGES |= {"extra.png": image_bytes(77, size=(40, 40)), "p1.png": None, "p2.png": None}
QUERIES = [
    {"query_id": f"q{i}", "query": f"{COLOURS[i % 3]} shoe", "split": split}
    for i, split in enumerate(("train", "train", "dev", "test"))
]
QRELS = [{"query_id": f"q{i}", "product_id": f"p{i}", "grade": 3} for i in range(4)]


def write_colours(folder, rows):
    tables = {"products": rows, "queries": QUERIES, "qrels": QRELS}
    return write_shop(folder, tables, IMAGES)


def opened(*args):
    """An index that is closed after the block."""
    return closing(open_index(*args))


def ids_of(hits):
    return [hit.product_id for hit in hits]
