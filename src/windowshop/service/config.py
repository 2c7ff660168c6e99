"""Settings of the service."""

from dataclasses import dataclass

from windowshop.errors import ConfigError

MEGABYTE = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceConfig:
    """Limits and times; sizes in bytes, times in seconds."""

    origins: tuple[str, ...] = ()
    """Origins whose pages may call the service from a browser (CORS)."""
    rate: str | None = None
    """Requests a key, or an address without one, such as "50/second"; None is no limit."""
    photo_rate_factor: int = 10
    """Photos are asked for by the page, many at once: so many times the rate."""
    public_photos: bool = False
    """Whether photos need no key."""
    open_metrics: bool = True
    """Whether a client on this machine reads the metrics without a key."""
    search_threads: int = 4
    max_waiting: int = 64
    """Searches that wait for a thread; further ones are told to come back."""
    max_requests: int = 256
    """Requests under way at once, of any kind."""
    max_large: int = 8
    """Of them, those that bring photos or products, which are held in memory."""
    search_seconds: float = 10.0
    write_seconds: float = 120.0
    admin_seconds: float = 3600.0
    body_seconds: float = 30.0
    """For a whole request body; for a pause in a streamed one; for a pause in reading an answer."""
    json_bytes: int = MEGABYTE
    photo_bytes: int = 33 * MEGABYTE
    """A photo with the form around it."""
    products_bytes: int = 32 * MEGABYTE
    """Of products in one JSON body."""
    line_bytes: int = 16 * MEGABYTE
    """Of one product in a stream."""
    batch_products: int = 64
    batch_bytes: int = 16 * MEGABYTE
    """A stream is written whenever so much has come."""
    thumbnail_bytes: int = 64 * MEGABYTE
    """Of thumbnails kept in memory."""
    preload_model: bool = True
    """Load what photos and writes need at the start, not at the first of them."""

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.search_threads < 1 or self.max_waiting < 0:
            raise ConfigError(
                f"search_threads={self.search_threads} must be at least 1, "
                f"max_waiting={self.max_waiting} at least 0."
            )
        if "*" in self.origins:
            raise ConfigError("origins: name each origin, such as https://shop.example.")
