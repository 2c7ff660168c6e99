"""A model's towers as a module of sentence-transformers: one folder for queries and products.

`encode` and `encode_query` go through the query tower, `encode_document` through the product
tower. The folder holds the model folder as it is; the vectors are those of `windowshop.load`.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import InputModule

from windowshop.data import PRODUCT_SCHEMA, ImageInput
from windowshop.errors import ExportError
from windowshop.files import new_folder, write_json
from windowshop.model.card import model_card
from windowshop.model.retriever import Retriever, load
from windowshop.model.vectors import open_image

INNER = "windowshop"
"""Folder of the model within the exported one."""
MODULE = f"{__name__}.SentenceTower"
VECTOR = "sentence_embedding"
QUERY, DOCUMENT = "query", "document"
"""Tasks of `encode_query` and `encode_document`."""


class SentenceTower(InputModule):
    """Query tower and product tower; `task` chooses."""

    save_in_root = True
    forward_kwargs = {"task"}

    def __init__(self, model: Retriever) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._model = model
        self.tokenizer = model.text.tokenizer
        self.register_buffer("_place", torch.zeros(1), persistent=False)

    @property
    def modalities(self) -> list[Any]:
        """Kinds of inputs: texts, images, or dicts of both."""
        return ["text", "image", ("image", "text")]

    @property
    def max_seq_length(self) -> int:
        """Most tokens of a text that are read."""
        return int(self._model.text.tokenizer.model_max_length)

    def get_embedding_dimension(self) -> int:
        """Return the width of the vectors."""
        return self._model.width

    def preprocess(
        self,
        inputs: Sequence[Any],
        prompt: str | None = None,
        task: str | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> dict[str, Any]:
        """Return the vectors already: the encoders cut and batch their inputs themselves."""
        items = [_fields(item) for item in inputs]
        encode = self._products if task == DOCUMENT else self._queries
        return {VECTOR: torch.from_numpy(encode(items))}

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return the features as they are."""
        return features

    def _queries(self, items: Sequence[Mapping[str, Any]]) -> np.ndarray:
        return self._model.encode_queries(
            [item.get("text") for item in items], [item.get("image") for item in items]
        )

    def _products(self, items: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Encode products: `text` is a title; columns of a products table may stand beside it."""
        rows = [{"product_id": str(i), **_columns(item)} for i, item in enumerate(items)]
        table = pl.DataFrame(
            [{name: row.get(name) for name in PRODUCT_SCHEMA} for row in rows],
            schema=PRODUCT_SCHEMA,
        )
        side = self._model.image.side
        images = [[open_image(image, side) for image in _images(item)] for item in items]
        return self._model.encode_rows(table, images).fused

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Copy the model folder."""
        shutil.copytree(self._model.folder, Path(output_path) / INNER, dirs_exist_ok=True)

    @classmethod
    def load(  # type: ignore[override]
        cls,
        model_name_or_path: str,
        subfolder: str = "",
        **kwargs: Any,  # noqa: ANN401
    ) -> "SentenceTower":
        """Load the model of an exported folder; options of hubs are of no use to it."""
        return cls(load(Path(model_name_or_path) / subfolder / INNER, "cpu"))


def _fields(item: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """Return an input as a dict of `text` and `image`."""
    if isinstance(item, Mapping):
        return item
    return {"image": item} if isinstance(item, Image.Image) else {"text": str(item)}


def _columns(item: Mapping[str, Any]) -> dict[str, Any]:
    columns = {name: value for name, value in item.items() if name not in ("text", "image")}
    return {"title": item.get("text"), **columns}


def _images(item: Mapping[str, Any]) -> list[ImageInput]:
    found = item.get("image")
    if found is None:
        return []
    return list(found) if isinstance(found, list | tuple) else [found]


def export_sentence_model(folder: Path, out: Path, evaluation: Path | None = None) -> None:
    """Write a folder that sentence-transformers opens, with a model card."""
    if out.exists() and not (out / "modules.json").is_file():
        raise ExportError(f"{out}: is there and no exported model. Choose another --out.")
    load(folder, "cpu")  # a damaged folder is named here
    card = model_card(folder, evaluation)
    with new_folder(out) as made:
        shutil.copytree(folder, made / INNER, ignore=shutil.ignore_patterns("export"))
        write_json(made / "modules.json", [{"idx": 0, "name": "0", "path": "", "type": MODULE}])
        settings = {"model_type": "SentenceTransformer", "similarity_fn_name": "cosine"}
        write_json(made / "config_sentence_transformers.json", settings)
        (made / "README.md").write_text(card, "utf-8")


def open_sentence_model(folder: str | Path) -> SentenceTransformer:
    """Open an exported folder without trusting code that it names."""
    tower = SentenceTower.load(str(folder))
    return SentenceTransformer(modules=[tower], device="cpu", similarity_fn_name="cosine")
