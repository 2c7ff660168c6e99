"""Request of a search."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from windowshop.data import ImageInput
from windowshop.errors import ConfigError, SearchError
from windowshop.search.understanding.recognition import Action

MAX_RESULTS = 10_000
MAX_TEXT = 1_000
"""Characters of a query; encoders read far fewer."""
TOP_BY_MMR = 50

Mode: TypeAlias = Literal["hybrid", "vectors", "words"]


@dataclass(frozen=True, slots=True)
class FacetValues:
    """Any of these values, texts folded as filters fold them; in a list column, any item of it."""

    values: tuple[str | int | float | bool, ...]


@dataclass(frozen=True, slots=True)
class FacetRange:
    """A number from `low` to `high`, both included; None leaves an end open."""

    low: float | None = None
    high: float | None = None


FacetFilter: TypeAlias = FacetValues | FacetRange


@dataclass(frozen=True, slots=True)
class Condition:
    """Condition on one column; with `excluded`, on products that have nothing of it."""

    column: str
    wanted: FacetFilter
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Sort:
    """Order by a column; missing values come last either way."""

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class BrandCap:
    """At most `most` products of one value of the column among the first `among`."""

    column: str = "brand"
    most: int = 3
    among: int = 20

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.most < 1 or self.among < 1:
            raise SearchError(f"Cap of {self.most} among {self.among}: both must be at least 1.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Diversity:
    """Order that keeps alike products apart at the top; without method and caps, no change.

    It moves products within the set of results and leaves none out.
    """

    method: Literal["none", "mmr"] = "none"
    """`mmr` prefers products whose vectors differ from those above them."""
    weight: float = 0.3
    """Weight of the difference beside the relevance, by `mmr`; 0 changes nothing."""
    max_per: dict[str, int] = field(default_factory=dict)
    """Most products of one value at the top, by column."""
    within: int | None = None
    """Number of products at the top; None is 50 by `mmr`, and 20 for caps alone."""

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.method not in ("none", "mmr"):
            raise ConfigError(f"diversity: method={self.method!r} must be none or mmr.")
        if not 0 <= self.weight <= 1:
            raise ConfigError(f"diversity: weight={self.weight} must lie between 0 and 1.")
        if self.within is not None and not 1 <= self.within <= MAX_RESULTS:
            raise ConfigError(f"diversity: within={self.within} must be 1 to {MAX_RESULTS}.")
        for column, most in self.max_per.items():
            if most < 1:
                raise ConfigError(f"diversity: max_per {column}={most} must be at least 1.")

    @property
    def is_active(self) -> bool:
        """Return whether it may change an order."""
        return bool(self.max_per) or (self.method == "mmr" and self.weight > 0)

    @property
    def num_top(self) -> int:
        """Return the number of products at the top."""
        return self.within or (TOP_BY_MMR if self.method == "mmr" else BrandCap().among)


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchRequest:
    """A search by text, image, both, or by a product; with none of them, the catalogue itself."""

    text: str | None = None
    image: ImageInput | None = None
    """A path, a file's bytes, or a PIL image."""
    similar_to: str | None = None
    """A product id; its variants are left out."""
    where: str | None = None
    """A filter (`windowshop.data.filter_grammar`)."""
    mode: Mode = "hybrid"
    """Channels that take part in a text search."""
    understand: bool = True
    """Turn names in the text into filters or boosts."""
    infer: bool = True
    """Infer what the text means and does not name, where the index has a classifier."""
    correct: bool = True
    """Correct words that no product has."""
    choices: Mapping[str, Action] = field(default_factory=dict)
    """Actions for recognised items, by their names in an earlier answer."""
    facet_filters: Mapping[str, FacetFilter] = field(default_factory=dict)
    """Filters that the shopper set in facets, by column."""
    narrow: tuple[tuple[Condition, ...], ...] = ()
    """Further filters of the results, of each of which one condition holds; the counts of every
    facet keep to them, its own too."""
    facets: tuple[str, ...] = ()
    """Columns to count over all results; `category.lvl0` and so on are levels of the category."""
    counted: tuple[str, ...] = ()
    """Columns whose values are counted, those of numbers too."""
    facet_limit: int = 10
    sort: tuple[Sort, ...] = ()
    """Empty: by relevance."""
    collapse: bool = False
    """One result a group of variants."""
    cap: BrandCap | None = None
    """Short for a `diversity` with this one cap."""
    diversity: Diversity | None = None
    """None is that of the search settings."""
    ranker: bool = True
    """Let the learned ranker order the first candidates, where there is one."""
    rules: bool = True
    """Apply the shop's pins and boosts."""
    offset: int = 0
    limit: int = 10
    fields: tuple[str, ...] | None = None
    """Columns that results show; None shows every column with a value."""
    explain: bool = False

    def __post_init__(self) -> None:
        """Check ranges, and options that exclude each other."""
        if not 1 <= self.limit <= MAX_RESULTS:
            raise SearchError(f"k={self.limit} must be between 1 and {MAX_RESULTS}.")
        if not 0 <= self.offset <= MAX_RESULTS:
            raise SearchError(f"offset={self.offset} must be between 0 and {MAX_RESULTS}.")
        if not 0 <= self.facet_limit <= MAX_RESULTS:
            raise SearchError(f"facet_limit={self.facet_limit} must be from 0 to {MAX_RESULTS}.")
        if self.text is not None and len(self.text) > MAX_TEXT:
            raise SearchError(
                f"The query has {len(self.text)} characters, at most {MAX_TEXT} are read. "
                "Shorten it."
            )
        if self.cap is not None and self.diversity is not None:
            raise SearchError("Give either a cap or a diversity, which has caps as max_per.")
        if self.similar_to is not None and (self.query or self.image is not None):
            raise SearchError("Search by a product, or by text and image, not by both at once.")
        if self.mode == "words" and self.query is None:
            raise SearchError("Without a text there are no words to search by. Give a text.")

    def diversity_or(self, default: Diversity) -> Diversity:
        """Return the diversity asked for, else the default."""
        if self.cap is not None:
            return Diversity(max_per={self.cap.column: self.cap.most}, within=self.cap.among)
        return default if self.diversity is None else self.diversity

    @property
    def query(self) -> str | None:
        """Return the text without blanks around it; None where nothing is left."""
        return (self.text or "").strip() or None
