"""Check of an index folder in full: database, generations, models and exports.

Shapes: B products, D width of a vector.
"""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from windowshop.engines import EngineSpec, cut, damaged_files
from windowshop.errors import DamagedError, EngineError, StorageError, WindowshopError
from windowshop.files import (
    EXPORT,
    INDEX,
    MODEL,
    FolderCheck,
    check_folder,
)
from windowshop.index.catalogue.restore import GROUP_ROWS
from windowshop.index.catalogue.snapshot import read_snapshot
from windowshop.index.catalogue.state import State, saved_state
from windowshop.index.catalogue.vector_store import VECTORS_FILE, Stored, VectorStore
from windowshop.index.database import DATABASE_FILE
from windowshop.index.folder import IMAGES_FOLDER, named_uploads, open_generations
from windowshop.index.generation_parts import GENERATION_PARTS
from windowshop.index.images import damaged_uploads
from windowshop.index.open import GENERATION, MODEL_FOLDER
from windowshop.index.product_table import ProductTable, open_products
from windowshop.model import EXPORT_FOLDER


def check_generations(folder: Path) -> list[FolderCheck]:
    """Compare database, current and previous generation with what was written.

    A process may have the index open. What a build that ended early left beside them is not looked
    at; the next one removes it.
    """
    checks = [check_folder(folder, INDEX)]
    try:
        generations = open_generations(folder)
        names = [generations.current, generations.previous]
        if names[0] is None:
            raise INDEX.error(f"{folder}: has no generation to search. Run `{INDEX.command}`.")
        products = open_products(folder, read_only=True)
    except WindowshopError as error:
        return [*checks, FolderCheck(folder, 0, (str(error),))]
    with closing(products):
        checks.append(_checked(folder / DATABASE_FILE, partial(_check_database, products)))
        if not checks[-1].damage and (named := named_uploads(products)):
            uploads = folder / IMAGES_FOLDER
            checks.append(FolderCheck(uploads, len(named), tuple(damaged_uploads(uploads, named))))
        for name in filter(None, names):
            path = generations.path(name)
            model = path / MODEL_FOLDER
            checks += [
                check_folder(path, GENERATION),
                _checked(path, partial(check_generation, path, products)),
                check_folder(model, MODEL),
                check_folder(model / EXPORT_FOLDER, EXPORT),
            ]
            parts = {path / name: kind for name, kind in GENERATION_PARTS.items()}
            checks += [check_folder(part, kind) for part, kind in parts.items() if part.is_dir()]
    return checks


def _check_database(products: ProductTable) -> None:
    """Read all tables; raises DamagedError where something is damaged or was lost."""
    database = products.database
    database.check()
    if database.num_lost:
        raise DamagedError(
            f"{database.path}: lacks its last {database.num_lost} transactions: a power loss cost "
            "them. Send the writes of that time again; the first of them ends this message."
        )


def _checked(path: Path, check: Callable[[], object]) -> FolderCheck:
    """Run a check that raises what it finds."""
    try:
        check()
    except (DamagedError, StorageError) as error:
        return FolderCheck(path, 1, (str(error),))
    return FolderCheck(path, 1, ())


def check_generation(path: Path, products: ProductTable) -> int:
    """Compare snapshot, engine and vectors of a generation; returns the number of products.

    Raises DamagedError, with the remedy, for the first thing that is not as it was written.
    """
    try:
        saved = read_snapshot(path)
        if saved is None:
            raise EngineError(f"{path}: has no snapshot.")
        state = saved_state(saved, read_only=True)
    except EngineError as error:
        raise DamagedError(f"{error} Start the service: it is made again.") from None
    num_compared = 0
    with closing(VectorStore(path, read_only=True)) as store, closing(state.engine):
        for found in damaged_files(state.folder):
            raise DamagedError(f"{found}. {_remedy(state)}")
        keys = np.flatnonzero(state.columns.alive_N)
        if saved.seq == products.seq and len(keys) != products.state()[1]:
            raise DamagedError(f"{path}: its snapshot lacks products. {_remedy(state)}")
        for start in range(0, len(keys), GROUP_ROWS):
            num_compared += _compare(state, store, products, keys[start : start + GROUP_ROWS])
    return num_compared


def _compare(state: State, store: VectorStore, products: ProductTable, keys: np.ndarray) -> int:
    """Compare the vectors of keys whose records are the latest."""
    ids, versions = state.columns.ids(keys), state.columns.versions_of(keys)
    latest = products.held(ids)
    keep = [latest.get(name, (0, ""))[0] == v for name, v in zip(ids, versions, strict=True)]
    kept = [i for i, is_latest in enumerate(keep) if is_latest]
    stored = store.get([versions[i] for i in kept], [ids[i] for i in kept])
    lacking = int((~stored.has_B).sum())
    if lacking:
        raise DamagedError(
            f"{state.folder.parent / VECTORS_FILE}: the vectors of {lacking} products are damaged "
            "or missing. Stop the service, delete that file, and start it: they are made again."
        )
    for name, x_BD in _expected(state.spec, stored).items():
        found_BD = state.engine.vectors(keys[kept], name)
        wrong = np.flatnonzero(np.abs(found_BD - x_BD).max(axis=1, initial=0) > 1e-6)
        if len(wrong):
            raise DamagedError(
                f"{state.folder}: the {name!r} vectors of {len(wrong)} products are damaged, the "
                f"first of {ids[kept[wrong[0]]]!r}. {_remedy(state)}"
            )
    return len(kept)


def _expected(spec: EngineSpec, stored: Stored) -> dict[str, np.ndarray]:
    """Return the vectors that the engine should have."""
    expected = {}
    for name, vector in spec.vectors.items():
        x_BW = stored.vectors.get(name)
        if x_BW is None:
            x_BW = np.zeros((len(stored.has_B), vector.width), np.float16)
        dtype = np.float32 if vector.storage == "float32" else np.float16
        expected[name] = cut(cut(x_BW, vector.width).astype(dtype), vector.width)
    return expected


def _remedy(state: State) -> str:
    return f"Stop the service, delete {state.folder}, and start it: it is made again."
