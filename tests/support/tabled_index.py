"""An index whose encoder a test writes itself, as a searcher opens it."""

import numpy as np

from windowshop.engines.base import EngineSpec, VectorSpec
from windowshop.index.catalogue.collection import Collection
from windowshop.index.open import GenerationManifest


class TabledIndex:
    """Products with vectors made by hand, the same for text and image; encodes nothing itself."""

    generation = "g1"

    def __init__(self, folder, products, x_NW, data_root, language="", make_store=None):
        """`make_store` makes the store of the products of a folder and a width of vectors."""
        width = x_NW.shape[1]
        vectors = {name: VectorSpec(width=width, storage="float32") for name in ("fused", "photo")}
        if make_store is None:
            self.collection = Collection(folder, EngineSpec(kind="exact", vectors=vectors))
        else:
            self.collection = make_store(folder, width)
        self.collection.upsert(products, dict.fromkeys(vectors, np.asarray(x_NW)))
        self.manifest = GenerationManifest(
            model_key="k",
            num_products=len(products),
            width=width,
            image_width=width,
            data_root=str(data_root),
            broken_images={},
            unsearchable=0,
            attributes=[],
            engine={},
            language=language,
        )

    def reads(self, text):
        return True

    def knows(self, word):
        return False

    def recent_image_path(self, image):
        return None

    def close(self):
        self.collection.close()
