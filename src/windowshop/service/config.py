"""Settings of the service."""

from dataclasses import dataclass
from pathlib import Path

from babel.numbers import list_currencies

from windowshop.errors import ConfigError

MEGABYTE = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceConfig:
    """Limits and times; sizes in bytes, times in seconds."""

    origins: tuple[str, ...] = ()
    """Origins whose pages may call the service from a browser (CORS)."""
    rate: str | None = None
    """Requests a key, or an address without one, for example "50/second"; None is no limit."""
    image_rate_factor: int = 10
    """Rate of images, of which the page asks for many at once, as a multiple of the rate."""
    public_images: bool = False
    """Whether images are sent without a key."""
    open_metrics: bool = True
    """Whether a client on this machine reads the metrics without a key."""
    search_threads: int = 4
    max_waiting: int = 64
    """Searches that wait for a thread; further ones get 503."""
    max_requests: int = 256
    """Requests at once of any kind but images; one client has half of them."""
    max_images: int = 2_000
    """Requests of images at once; a page asks for hundreds, and most wait for a thread."""
    body_bytes: int = 128 * MEGABYTE
    """Memory for bodies larger than `json_bytes`, which wait for it; a client has half of it."""
    search_seconds: float = 10.0
    image_seconds: float = 60.0
    """Time of an image that is shown or searched by; the model may have to be loaded first."""
    write_seconds: float = 120.0
    admin_seconds: float = 3600.0
    body_seconds: float = 30.0
    """Limit of a whole request body, of a pause in a streamed one, and of a pause in reading."""
    json_bytes: int = MEGABYTE
    image_bytes: int = 33 * MEGABYTE
    """Size of an image with the form around it."""
    products_bytes: int = 32 * MEGABYTE
    """Size of a JSON body of products."""
    line_bytes: int = 16 * MEGABYTE
    """Size of one product in a stream."""
    batch_products: int = 64
    batch_bytes: int = 16 * MEGABYTE
    """Size of the batches in which a stream is written."""
    thumbnail_bytes: int = 32 * MEGABYTE
    """Size of the thumbnails kept in memory."""
    currency: str = ""
    """ISO code of prices for shopping agents, where products have no column `currency`."""
    judged: Path | None = None
    """Data folder whose judged queries the workbench measures searches on."""
    judged_split: str = "test"
    preload_model: bool = True
    """Whether the model is loaded at the start, not at the first image or write."""

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.search_threads < 1 or self.max_waiting < 0:
            raise ConfigError(
                f"search_threads={self.search_threads} must be at least 1, "
                f"max_waiting={self.max_waiting} at least 0."
            )
        if problem := currency_problem(self.currency):
            raise ConfigError(problem)
        if "*" in self.origins:
            raise ConfigError("origins: name each origin, for example https://shop.example.")


def currency_problem(code: str) -> str:
    """Return what is wrong with the code of a currency; "" where nothing is, or none is given."""
    if not code or code in list_currencies():
        return ""
    return f"currency={code!r} must be an ISO code in capitals, for example EUR."
