"""Words of queries that ask for prices, units, sizes and exclusions, from `wordings.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from windowshop.data import Operator, fold, words_of
from windowshop.settings import load_settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """Words before or behind a price that bounds on one side."""

    op: Operator
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Words before it, by language."""
    behind: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Words behind it, by language."""
    signs: tuple[str, ...] = ()
    """Signs before it."""
    signs_behind: tuple[str, ...] = ()
    """Signs behind it."""
    needs_money: bool = False
    """True where the words may bound something else than a price."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """Words around two prices."""

    first: tuple[str, ...]
    middle: tuple[str, ...]
    needs_money: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Money:
    """Signs, codes and words of money."""

    signs: str
    sign_prefixes: tuple[str, ...]
    """Letters before a sign that say whose it is ("US$")."""
    before: tuple[str, ...]
    after: tuple[str, ...]
    factors: dict[str, float]
    """Signs and letters behind a number that multiply it."""
    named: tuple[str, ...]
    """Words for a price, behind which a number is one."""
    unclear: tuple[str, ...]
    """Words of money that are units of weight too."""
    unclear_alone: tuple[str, ...]
    """Other words of money that mean something else without a bound beside them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """A unit of measure."""

    dimension: str
    factor: float
    """One of it in the smallest unit of its dimension."""
    names: tuple[str, ...]
    loosely: tuple[str, ...] = ()
    """Names of another unit that mean this one where no product states the other's dimension."""


@dataclass(frozen=True, kw_only=True, slots=True)
class YearBound:
    """Words before or behind a year that bound on one side."""

    op: Operator
    before: tuple[str, ...]
    behind: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class YearWords:
    """Words beside years."""

    bounds: tuple[YearBound, ...]
    of: tuple[str, ...]
    """Words before a year that mean it alone, or from it on."""
    between: tuple[str, ...]
    """Words between another word and a year."""
    to: tuple[str, ...]
    """Words between two years."""
    released: tuple[str, ...]
    """Words for a release, in queries and in names of columns."""
    year_names: tuple[str, ...]
    """Words for a year, in names of columns and beside years."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExclusionWords:
    """Words that exclude what follows them, or what they follow."""

    before: dict[str, tuple[str, ...]]
    after: dict[str, tuple[str, ...]]
    suffixes: tuple[str, ...]
    compounds: tuple[str, ...]
    """Those of them that also make names: "non-stick", "no-show", "sugar free"."""
    absent: tuple[str, ...]
    """Ends of words for what lacks something: "sleeveless"."""
    fillers: tuple[str, ...]
    """Words between them and what is excluded."""
    particles: tuple[str, ...]
    """Words that scripts without spaces write against others."""
    either: tuple[str, ...]
    """Words between two things that are excluded."""
    nothing: tuple[str, ...]
    """Values of attributes that say there is none."""
    opinions: tuple[str, ...]
    """Words that no product states, so that "not" before them excludes nothing."""
    not_free: tuple[str, ...]
    """Words that "free" describes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wordings:
    """Content of the file."""

    bounds: tuple[Bound, ...]
    ranges: tuple[Range, ...]
    negators: tuple[str, ...]
    """Words that turn a bound round ("not over 50")."""
    money: Money
    not_prices_after: tuple[str, ...]
    size_labels: tuple[str, ...]
    """Short words for a size, right before it ("gr. 41")."""
    ages: tuple[str, ...]
    """Words for an age, which the name of a column of ages has."""
    ages_behind: tuple[str, ...]
    """Words behind years or months of age."""
    children: tuple[str, ...]
    """Words for children, of whom a small number is an age."""
    counts: tuple[str, ...]
    """Words for what is counted."""
    units: tuple[Unit, ...]
    years: YearWords
    measured: tuple[tuple[str, ...], ...]
    """Words for what is measured, which say beside a measure whose it is."""
    numbers: dict[str, tuple[str, ...]]
    """Words for 2 to 12 by language; those for 0 and 1 mean too much else."""
    larger_numbers: dict[str, dict[str, float]]
    """Words for other numbers by language, tens among them."""
    column_names: tuple[tuple[str, ...], ...]
    """Words for one column each."""
    spellings: tuple[tuple[str, ...], ...]
    """Of one size or word."""
    exclusion: ExclusionWords
    function_words: dict[str, tuple[str, ...]]
    """Words by language that say nothing of what is wanted."""
    of_languages: dict[str, tuple[str, ...]]
    """Common words of shops by language, which are no typos of another one's."""


@cache
def wordings() -> Wordings:
    """Read the file that lies beside this one."""
    return load_settings(Path(__file__).with_name("wordings.yaml"), Wordings)


@cache
def function_words() -> frozenset[str]:
    """Return the normalised words of all languages that say nothing of what is wanted."""
    every = (word for own in wordings().function_words.values() for word in own)
    return frozenset(word for text in every for word in words_of(text))


@cache
def units_by_name() -> Mapping[str, Unit]:
    """Return the units by their folded names."""
    return {fold(name): unit for unit in wordings().units for name in unit.names}
