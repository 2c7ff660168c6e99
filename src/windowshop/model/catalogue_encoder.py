"""Encoder of a whole catalogue: the graphs that a model folder carries, or its model in torch."""

from pathlib import Path
from typing import TYPE_CHECKING

from windowshop.config import CONFIG_FILE
from windowshop.errors import ExportError, MissingExtraError, needs_extra
from windowshop.files import EXPORT, MODEL, read_manifest, require_files
from windowshop.model.exported_model import ExportedModel, open_exported_model
from windowshop.model.query_encoder import open_query_encoder

if TYPE_CHECKING:
    from windowshop.model.retriever import Retriever

EXPORT_FOLDER = "export"
"""Export within a model folder."""


def load_encoder(folder: Path) -> "ExportedModel | Retriever":
    """Load a model folder to encode a catalogue.

    It is the graphs of its export, which need no torch, or the model in torch where it has none for
    products, or where torch finds a GPU. Raises ModelError where the folder is no model, or
    damaged, and MissingExtraError where it takes torch, which is not installed.
    """
    try:
        graphs = None if _has_gpu() else _graphs(folder)
        reason = ""
    except ExportError as error:
        graphs, reason = None, str(error)
    if graphs is not None:
        return graphs
    try:
        with needs_extra("train"):
            from windowshop.model.retriever import load

            return load(folder)
    except MissingExtraError as error:
        raise MissingExtraError(
            f"{error} Or run `{EXPORT.command} {folder.name} --data DATA` where it is installed: "
            f"the model folder then carries graphs that need no torch. Now {reason}"
        ) from None


def _graphs(folder: Path) -> ExportedModel:
    key = read_manifest(dict, folder, MODEL)["run_key"]
    require_files(folder, MODEL, CONFIG_FILE)
    export = folder / EXPORT_FOLDER
    queries = open_query_encoder(export, model_key=key)
    return open_exported_model(export, queries.manifest)


def _has_gpu() -> bool:
    try:
        import torch
    except ModuleNotFoundError:
        return False
    return torch.cuda.is_available()
