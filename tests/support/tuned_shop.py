"""A shop whose products are told apart by words, by vectors, or by both, with judged queries."""

import numpy as np
import polars as pl
from support.tabled_index import TabledIndex

from windowshop.data.dataset import PRODUCT_SCHEMA, QUERY_SCHEMA, Dataset, complete_columns

WIDTH = 16
NUM_PRODUCTS = 48
LOOKS = 8


class VectorIndex(TabledIndex):
    """An index whose encoder is a table: text or image name -> vector."""

    def __init__(self, folder, products, x_NW, queries):
        self.folder, self._queries = folder, queries
        super().__init__(folder / "c", products, x_NW, folder)

    def encode_queries(self, texts, images):
        asked = [t or p.name for t, p in zip(texts, images, strict=True)]
        return np.stack([self._vector(name) for name in asked])

    def _vector(self, name):
        """The vector of a query; of any other text, one that looks like nothing."""
        seed = sum(map(ord, name))
        other = unit(np.random.default_rng(seed).normal(size=WIDTH))
        return self._queries.get(name, other)

    def encode_images(self, images):
        return np.stack([self._queries[image.name] for image in images])


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def shop(root, seed=0):
    """Products of LOOKS looks, each look in every brand, each product with a code of its own.

    Queries of kind `look` ask for a look, which only vectors show; those of kind `code` for one
    code, which only words have; those of kind `brand` for a look of a brand, which is recognised.
    Those of kind `mood` name a mood that no relevant product has, those of kind `wrong` a brand
    that none has.
    """
    rng = np.random.default_rng(seed)
    look_LW = unit(rng.normal(size=(LOOKS, WIDTH)))
    look_N = np.arange(NUM_PRODUCTS) % LOOKS
    brands = [f"brand{'abcdef'[i // LOOKS]}" for i in range(NUM_PRODUCTS)]
    products = pl.DataFrame(
        {
            "product_id": [f"p{i:02}" for i in range(NUM_PRODUCTS)],
            "title": [f"thing code{i:02}" for i in range(NUM_PRODUCTS)],
            "brand": brands,
            "mood": ["calm" if i % 3 else "wild" for i in range(NUM_PRODUCTS)],
        }
    )
    products = complete_columns(products, PRODUCT_SCHEMA)
    x_NW = unit(look_LW[look_N] + 0.3 * unit(rng.normal(size=(NUM_PRODUCTS, WIDTH))))
    vectors, queries, qrels = {}, [], []

    def add(kind, number, text, image, look, wanted):
        name = f"{kind}{number}"
        queries.append({"query_id": name, "query": text, "image": image, "kind": kind})
        noise = 0.4 * unit(rng.normal(size=WIDTH))
        centre = look_LW[look] if look is not None else unit(rng.normal(size=WIDTH))
        vectors[text or image] = unit(centre + noise)
        qrels.extend({"query_id": name, "product_id": f"p{i:02}", "grade": 3} for i in wanted)

    for i in range(LOOKS):
        alike = np.flatnonzero(look_N == i).tolist()
        add("look", i, f"looks like style {'qrstuvwx'[i] * 5}", None, i, alike)
        add("code", i, f"code{i * 5:02}", None, None, [i * 5])
        brand = brands[(5 * i) % NUM_PRODUCTS]
        own = [p for p in alike if brands[p] == brand]
        style = f"style {'qrstuvwx'[i] * 5}"
        add("brand", i, f"{brand} {style}", None, i, own)
        add("mood", i, f"calm {style}", None, i, [p for p in alike if p % 3 == 0])
        if i % 2:
            add("wrong", i, f"{style} {brand}", None, i, [p for p in alike if p not in own])
        add("photo", i, None, f"{i}.png", i, alike)
    table = complete_columns(pl.DataFrame(queries, infer_schema_length=None), QUERY_SCHEMA)
    table = table.with_columns(split=pl.lit("dev"))
    dataset = Dataset(root=root, products=products, queries=table, qrels=pl.DataFrame(qrels))
    return VectorIndex(root, products, x_NW, vectors), dataset
