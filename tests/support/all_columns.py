"""A shop with columns of every type, whose vectors are made of its words."""

import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
from support.tabled_index import TabledIndex

COLOURS = ("red", "blue", "green", "black", "Écru")
KINDS = {"shoe": "Footwear > Shoes", "boot": "Footwear > Boots", "shirt": "Clothing > Shirts"}
BRANDS = ("Acme", "Bolt", "Café Noir", "STRASSE & Söhne", None)
WIDTH = 16


def shop(count=300, seed=0):
    """Products p0.. with values missing here and there."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        colour, kind = COLOURS[rng.integers(5)], list(KINDS)[rng.integers(3)]
        moment = datetime(2024, 1, 1, 22) + timedelta(minutes=int(rng.integers(600_000)))
        sizes = [str(size) for size in rng.choice(["S", "M", "L", "XL"], rng.integers(0, 4), False)]
        row = {
            "product_id": f"p{i}",
            "title": f"{colour} {kind} {['light', 'warm', 'wide'][rng.integers(3)]} no {i % 40}",
            "description": f"A {kind} for {['summer', 'winter'][i % 2]} days." if i % 3 else None,
            "brand": BRANDS[rng.integers(5)],
            "category": KINDS[kind],
            "category_paths": [KINDS[kind], "Sale > All"] if i % 7 == 0 else [KINDS[kind]],
            "price": [None, float("nan"), float("inf")][i % 3] if i % 25 == 0 else i % 90 + 0.99,
            "stock": int(rng.integers(-3, 9)) if i % 11 else None,
            "is_new": bool(rng.integers(2)) if i % 5 else None,
            "sizes": sizes if i % 9 else None,
            "widths": [float(x) for x in rng.integers(36, 44, 2)] if i % 4 else [],
            "since": date(2024, 1, 1) + timedelta(days=int(rng.integers(400))),
            "seen": moment if i % 6 else None,
            "seen_at": moment.replace(tzinfo=UTC),
            "group_id": f"g{i // 3}" if i % 2 else f"p{i}",
            "attributes": json.dumps({"colour": colour, "material": "Wolle" if i % 2 else "lin"}),
            "image": None,
            "images": None,
        }
        rows.append(row)
    table = pl.DataFrame(rows, infer_schema_length=None)
    zoned = pl.col("seen_at").dt.convert_time_zone("America/New_York")
    return table.with_columns(zoned)


def encoded(texts):
    """A vector for each text, the sum of vectors of its words."""
    vectors = np.zeros((len(texts), WIDTH), dtype=np.float32)
    for place, text in enumerate(texts):
        for word in (text or "").lower().split():
            seed = sum(ord(char) * 31**at for at, char in enumerate(word)) % 2**32
            vectors[place] += np.random.default_rng(seed).normal(size=WIDTH)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(norms, 1e-9)).astype(np.float32)


class ShopIndex(TabledIndex):
    """An index of products in a store of any kind."""

    def __init__(self, folder, make_store, products):
        x_NW = encoded(products["title"].to_list())
        x_NW[5] = 0  # a product that no vector finds
        super().__init__(folder, products, x_NW, folder, "en", make_store)

    def encode_queries(self, texts, images):
        return encoded(
            ["red shirt" if image else text for text, image in zip(texts, images, strict=True)]
        )

    def encode_images(self, images):
        return encoded(["blue boot"] * len(images))
