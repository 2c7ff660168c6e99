"""Rates of one machine, as measured by `windowshop.search.planning.measure`."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from windowshop.errors import ConfigError
from windowshop.settings import from_dict

SHIPPED = Path(__file__).with_name("rates.json")
"""Rates that come with the package; how they were measured stands in docs/planning.md."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """Work of one core and needs of one product; seconds and milliseconds are the processor's.

    "Numbers" are those of all vectors of a product together.
    """

    cpu: str
    """Name of the processor."""
    commit: str
    """Commit of the code that was measured."""
    products: int
    """Products of the index that was measured; those of the larger copy are `grown`."""
    grown: int
    width: int
    """Numbers of a product's vectors for searches by text."""
    image_width: int
    """Numbers of a product's vectors for searches by image; 0 where the model sees no images."""
    texts_per_second: float
    """Product texts that a core encodes."""
    images_per_second: float
    """Product images that a core reads and encodes; 0 where there were none to measure."""
    writes_per_second: float
    """Products with their vectors that one process writes into an index."""
    search_ms: float
    """A hybrid search with three facets in a catalogue of no size, without its vectors' part."""
    search_ms_per_million: float
    """Time that a million products add to it: words, filters, facets, certainty."""
    flat_ns_per_number: float
    """Scoring one number of a vector by its 4-bit code."""
    graph_ms: float
    """A search of the graph with `grown` products; it grows by the logarithm of the products."""
    graph_build_ms: float
    """Placing a product in that graph."""
    memory_mb: float
    """Memory of a service without products."""
    memory_bytes: float
    """Memory of a product without its vectors."""
    disk_bytes: float
    """Disk of a product without its vectors and images."""
    model_mb: float
    """Disk of the model."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if not isinstance(value, str) and value < 0:
                raise ConfigError(f"rates: {item.name}={value} must not be negative.")
        if min(self.texts_per_second, self.writes_per_second) == 0 or self.grown < 2:
            raise ConfigError("rates: texts, writes and products must be above 0.")


def read_rates(path: Path = SHIPPED) -> Rates:
    """Read rates; raises ConfigError where the file is not one of `windowshop plan --measure`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: cannot be read as rates ({error}). `windowshop plan --measure INDEX --rates "
            f"{path.name}` writes them."
        ) from None
    rates: Rates = from_dict(Rates, content, str(path))
    return rates
