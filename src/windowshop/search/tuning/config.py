"""Settings of `tune`: queries to choose on, and limits of a choice."""

from dataclasses import dataclass

from windowshop.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class TuneConfig:
    """Queries to choose on, and limits of a choice."""

    split: str = "dev"
    slices: tuple[str, ...] = ()
    """Columns of queries or products, or several: a+b."""
    guard: bool = True
    """Refuse settings by which a slice loses."""
    max_slice_loss: float = 0.002
    """nDCG@10 that a slice may lose against the channel that is better there."""
    min_slice_queries: int = 30
    """Slices of fewer queries are shown, and refuse nothing."""
    max_lost: float = 0.001
    """Share of a query's relevant products found that the cut-off may leave out, the mean."""
    max_told: float = 0.01
    """Share of the judged queries that may be said to have no answer."""
    settings: bool = True
    """Choose settings; else those of the index stay, and the ranker alone is fitted."""
    ranker: bool = True
    """Fit the learned ranker where there are enough judged texts."""
    min_ranker_queries: int = 100
    max_ranker_slice_loss: float = 0.005
    """nDCG@10 that a slice may lose by the ranker against the mix."""
    max_queries: int = 2_000
    """More judged queries than this are sampled."""
    classifier: bool = True
    """Train a classifier of what queries mean and do not name."""

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("max_lost", "max_told"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be from 0 on and below 1.")
        if self.max_slice_loss < 0 or self.min_slice_queries < 1 or self.max_queries < 1:
            raise ConfigError(
                f"max_slice_loss={self.max_slice_loss} must not be negative, "
                f"min_slice_queries={self.min_slice_queries} and max_queries={self.max_queries} "
                "must be at least 1."
            )
