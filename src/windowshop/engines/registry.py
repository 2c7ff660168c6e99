"""Vector engines behind one protocol, and the choice of one for a catalogue's size."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from windowshop.engines.base import Engine, EngineSpec, Kind
from windowshop.engines.exact import ExactEngine
from windowshop.engines.flat import FlatEngine
from windowshop.engines.zvec import ZvecEngine

ENGINES: dict[Kind, Callable[[Path, EngineSpec, np.ndarray], Engine]] = {
    "exact": ExactEngine,
    "flat": FlatEngine,
    "zvec": ZvecEngine,
}


def open_engine(folder: Path, spec: EngineSpec, alive_N: np.ndarray) -> Engine:
    """Open or make the engine of a folder, as it was when `alive_N` (bool, by key) was true.

    Keys from N on are forgotten: who opens it sends them again. Raises EngineError where its files
    cannot be used; ask `holds` before trusting what it has.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return ENGINES[spec.kind](folder, spec, alive_N)
