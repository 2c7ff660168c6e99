"""Settings of a download of product images, and the ways in which one fails."""

from dataclasses import dataclass

from windowshop._version import __version__
from windowshop.errors import ConfigError

SEPARATORS = ("\r", "\n", "\0")


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchConfig:
    """Settings of `windowshop fetch-images`."""

    user_agent: str = f"windowshop/{__version__} (images of a product catalogue)"
    connections: int = 4
    """Most connections to one host at a time."""
    rate: float = 10.0
    """Most requests a second to one host, redirects and retries counted."""
    all_connections: int = 32
    """Most connections to all hosts together."""
    attempts: int = 4
    """Times that an address is asked where the failure may pass: 429, 5xx, a broken connection."""
    first_wait: float = 1.0
    """Seconds before the second attempt; doubled, with jitter, before each further one."""
    max_wait: float = 60.0
    """Longest wait in seconds that a host may ask for; one that asks for more is left for later."""
    seconds: float = 60.0
    """Longest time of one attempt, redirects counted and waiting for a turn not."""
    silent_seconds: float = 15.0
    """Longest time without a byte, to connect or to answer."""
    max_redirects: int = 5
    max_failures: int = 10
    """Connections in a row that fail until a host counts as down, and the rest is not asked for."""
    max_side: int = 1024
    """Longest side in pixels of a stored image."""
    max_age_hours: float = 24.0
    """Age up to which a fetched image is taken as it is; an older one is asked for again."""
    robots: bool = True
    """Whether robots.txt of each host is read and kept; one that fails or is absent allows all."""
    remove_unused: bool = False
    """Whether stored images that no product names any more are removed."""
    allow_private: bool = False
    """Whether addresses of private networks and of this machine may be connected to."""
    group_near_duplicates: bool = False
    """Whether products with nearly the same image and like titles get one `group_id`."""
    max_bits: int = 4
    """Bits of 64 in which perceptual hashes of near-duplicates may differ."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        positive = ("connections", "all_connections", "attempts", "seconds", "silent_seconds")
        for name in (*positive, "rate", "max_failures"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be above 0.")
        if self.max_side < 64:
            raise ConfigError(f"max_side={self.max_side} must be 64 pixels or more.")
        if not 0 <= self.max_bits <= 15:
            raise ConfigError(f"max_bits={self.max_bits} must be from 0 to 15.")
        bad = not self.user_agent.isascii() or any(c in self.user_agent for c in SEPARATORS)
        if bad or not self.user_agent.strip():
            raise ConfigError(f"user_agent={self.user_agent!r} must be one line of ASCII text.")


class FetchFailure(Exception):
    """Reason why an address gave no image: a `kind` to count by, and details."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail = kind, detail


class PassingFailure(FetchFailure):
    """Failure that may pass: the address is asked again after a wait."""

    def __init__(self, kind: str, detail: str, retry_after: float | None = None) -> None:
        super().__init__(kind, detail)
        self.retry_after = retry_after
        """Seconds that the host asked to wait; None where it did not say."""
