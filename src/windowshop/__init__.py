"""Multimodal product search: train, prove and serve a retriever that sees the image."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from windowshop._version import __version__
from windowshop.errors import WindowshopError, needs_extra

if TYPE_CHECKING:
    from windowshop.config import TrainConfig
    from windowshop.data import Dataset, check_dataset, read_dataset
    from windowshop.evaluation import evaluate
    from windowshop.index import build_index, open_index
    from windowshop.model import load
    from windowshop.search import Answer, SearchRequest, open_searcher
    from windowshop.study import StudyConfig, compare
    from windowshop.training import train

_PACKAGES = {
    "Answer": "search",
    "Dataset": "data",
    "SearchRequest": "search",
    "StudyConfig": "study",
    "TrainConfig": "config",
    "build_index": "index",
    "check_dataset": "data",
    "compare": "study",
    "evaluate": "evaluation",
    "load": "model",
    "open_index": "index",
    "open_searcher": "search",
    "read_dataset": "data",
    "train": "training",
}
"""Where each name is, imported at its first use."""

__all__ = [
    "Answer",
    "Dataset",
    "SearchRequest",
    "StudyConfig",
    "TrainConfig",
    "WindowshopError",
    "__version__",
    "build_index",
    "check_dataset",
    "compare",
    "evaluate",
    "load",
    "open_index",
    "open_searcher",
    "read_dataset",
    "train",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name not in _PACKAGES:
        raise AttributeError(f"module 'windowshop' has no attribute {name!r}")
    with needs_extra("study" if name == "compare" else "train"):
        return getattr(import_module(f"windowshop.{_PACKAGES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
