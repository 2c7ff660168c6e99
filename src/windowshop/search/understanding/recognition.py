"""Turn what a query names into filters and boosts that the shopper can switch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from windowshop.data import And, Comparison, Filter, In, Not, Null, Or, Under
from windowshop.errors import ConfigError, SearchError
from windowshop.search.understanding.identifiers import Identified
from windowshop.search.understanding.phrases import Meaning
from windowshop.search.understanding.understood import (
    CORRECTED,
    Exclusion,
    Match,
    Understanding,
)

Action: TypeAlias = Literal["filter", "boost", "off"]
ACTIONS: tuple[Action, ...] = ("filter", "boost", "off")
"""The strongest first."""
Kind: TypeAlias = Literal["value", "price", "identifier", "exclusion", "inferred"]
"""Kind of a recognised item. What is inferred is meant and not named.
Products with an identifier come first where it boosts; those with an
excluded value go where it filters, and come last where it boosts."""
PRICE = "price"
BEGUN = 0.9
"""Certainty of an identifier by its beginning, where a whole one has 1."""
NAMES = frozenset(["brand", "category"])
"""Columns of names, whose words mean something else in other columns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PrecisionConfig:
    """Conditions under which something recognised filters."""

    min_certainty: float = 0.8
    """Least certainty of a filter; below it, boost."""
    min_products: int = 5
    """Least number of products with the value of a filter; where fewer have it, boost."""
    min_coverage: float = 0.98
    """Least share of products that state the column of a filter; below it, boost: the image of a
    product that does not state it may still show the value."""
    boost_only: tuple[str, ...] = ()
    """Columns that never filter, for example a colour that many products do not state."""
    ignored: tuple[str, ...] = ()
    """Columns without effect unless a shopper switches them on; "price" for prices."""
    boost: float = 3.0
    """Divisor of the place of boosted products."""

    def ignoring(self, columns: tuple[str, ...]) -> "PrecisionConfig":
        """Ignore further columns."""
        return replace(self, ignored=(*self.ignored, *columns)) if columns else self

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("min_certainty", "min_coverage"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name}={getattr(self, name)} must lie between 0 and 1.")
        if self.boost < 1:
            raise ConfigError(f"boost={self.boost} must be at least 1.")


@dataclass(frozen=True, slots=True)
class Recognised:
    """Something that a query names, with the action taken."""

    name: str
    """Key in `choices`, for example "brand: Nike"; prices are "price"."""
    text: str
    """Words of the query."""
    tree: Filter | None
    """Test of the products that have it; None for an excluded word that no column states."""
    action: Action
    certainty: float
    """Certainty in (0, 1]."""
    reason: str
    """Reason of the action, for the answer."""
    kind: Kind = "value"
    words: tuple[str, ...] = ()
    """Normalised words of an exclusion."""
    keys: tuple[int, ...] = ()
    """Products of an identifier."""
    columns: tuple[str, ...] = ()
    """Columns that may state an excluded value, the one that it is first."""
    excluded: tuple[Filter, ...] = ()
    """Test of each of these columns for the value."""

    @property
    def required(self) -> Filter | None:
        """Return the test of the products that pass as a filter; unstated is not excluded."""
        if self.kind != "exclusion":
            return self.tree
        tests = [
            Or((Not(tree), Null(column, is_null=True)))
            for column, tree in zip(self.columns, self.excluded, strict=True)
        ]
        if len(tests) < 2:
            return tests[0] if tests else None
        return And(tuple(tests))

    @property
    def boosted(self) -> Filter | None:
        """Return the test of the products that move up: of an exclusion, those that state another.

        None where no product moves up.
        """
        if self.kind == "exclusion":
            return Not(self.excluded[0]) if self.excluded and self.action != "off" else None
        return self.tree if self.kind != "identifier" and self.action == "boost" else None


def recognise(
    understanding: Understanding,
    config: PrecisionConfig,
    choices: Mapping[str, Action] | None = None,
    strongest: Action = "filter",
) -> tuple[Recognised, ...]:
    """Choose an action for everything recognised, at most `strongest`.

    Prices and exclusions filter where others may boost; `choices` by name override everything.
    Values of one column are alternatives ("red or blue"); levels of a category one below the other
    become one narrower category. Raises SearchError for a choice that is no action; unknown names
    are ignored.
    """
    by_column: dict[str, list[Match]] = {}
    for match in understanding.matches:
        by_column.setdefault(match.meaning.column, []).append(match)
    found = [_of_column(column, matches, config) for column, matches in by_column.items()]
    if understanding.prices:
        parts = tuple(phrase.tree for phrase in understanding.prices)
        text = ", ".join(phrase.text for phrase in understanding.prices)
        tree = parts[0] if len(parts) == 1 else And(parts)
        action: Action = "off" if PRICE in config.ignored else "filter"
        is_about = any(phrase.is_about for phrase in understanding.prices)
        reason = "about this amount" if is_about else "a price in words"
        found.append(Recognised(PRICE, text, tree, action, 1.0, reason, "price"))
    found += [_of_exclusion(exclusion, config) for exclusion in understanding.exclusions]
    found += [_of_identifier(one) for one in understanding.identified]
    capped = (_capped(item, strongest) for item in found)
    return tuple(chosen(item, choices or {}) for item in capped)


def required(recognised: Iterable[Recognised], where: Filter | None = None) -> Filter | None:
    """Return the filter of a search: the request's own and every recognised one."""
    parts = [] if where is None else [where]
    filters = (item.required for item in recognised if item.action == "filter")
    parts += [tree for tree in filters if tree is not None]
    if len(parts) < 2:
        return parts[0] if parts else None
    return And(tuple(parts))


def _of_column(column: str, matches: Sequence[Match], config: PrecisionConfig) -> Recognised:
    certainty = min(match.certainty for match in matches)
    fewest = min(match.meaning.count for match in matches)
    coverage = matches[0].meaning.coverage
    action: Action = "boost"
    if column in config.ignored:
        action, reason = "off", f"{column} is ignored"
    elif column in config.boost_only:
        reason = f"{column} never filters"
    elif certainty < config.min_certainty:
        reason = f"may mean something else (certainty {certainty:.2f})"
    elif fewest < config.min_products:
        reason = f"only {fewest} products have it"
    elif coverage < config.min_coverage:
        reason = f"{fewest} products have it, {1 - coverage:.0%} state no {column}"
    else:
        action, reason = "filter", f"{fewest} products have it, certainty {certainty:.2f}"
    values = list(dict.fromkeys(match.meaning.value for match in matches))
    return Recognised(
        name=f"{column}: {', '.join(values)}",
        text=", ".join(dict.fromkeys(match.text for match in matches)),
        tree=test_of([match.meaning for match in matches]),
        action=action,
        certainty=certainty,
        reason=reason,
    )


def _of_exclusion(exclusion: Exclusion, config: PrecisionConfig) -> Recognised:
    name, meanings = exclusion.name, exclusion.meanings
    action: Action = "boost"
    if not meanings:
        reason = f"{exclusion.count} products have the word, no column states it"
        return Recognised(
            f"not {name}", exclusion.text, None, action, 1.0, reason, "exclusion", exclusion.words
        )
    first = meanings[0]
    # "No leather" means leather of the sole too, "not orange" no brand of that name.
    others = [m for m in meanings if m.column != first.column]
    meant = [first, *(m for m in others if not {first.column, m.column} & NAMES)]
    total = sum(meaning.count for meaning in meanings)
    certainty = sum(meaning.count for meaning in meant) / total
    certainty *= CORRECTED if exclusion.corrected else 1
    if first.column in config.ignored:
        action, reason = "off", f"{first.column} is ignored"
    elif first.column in config.boost_only:
        reason = f"{first.column} never filters"
    elif certainty < config.min_certainty:
        reason = f"may mean something else (certainty {certainty:.2f})"
    else:
        action, reason = "filter", f"products that state it are left out, {first.count} of them"
    trees = tuple(test_of([meaning]) for meaning in meant)
    values = dict.fromkeys(m.value for m in meant if m.column == first.column)
    return Recognised(
        name=f"not {first.column}: {', '.join(values)}",
        text=exclusion.text,
        tree=trees[0] if len(trees) == 1 else Or(trees),
        action=action,
        certainty=certainty,
        reason=reason,
        kind="exclusion",
        words=exclusion.words,
        columns=tuple(meaning.column for meaning in meant),
        excluded=trees,
    )


def _of_identifier(one: Identified) -> Recognised:
    tree = In("product_id", one.product_ids)
    reason = f"{len(one.keys)} products have this {one.column}"
    action: Action = "boost"
    if one.is_word:
        action, reason = "off", f"{reason}, and others the word"
    name, certainty = f"{one.column}: {one.text}", 1.0
    if one.is_begun:
        name, certainty = f"{name}…", BEGUN
        reason = f"{len(one.keys)} products have a {one.column} that begins so"
    return Recognised(
        name, one.text, tree, action, certainty, reason, kind="identifier", keys=one.keys
    )


def test_of(meanings: Sequence[Meaning]) -> Filter:
    """Return the test of the products with any of some values of one column."""
    column = meanings[0].column
    if any(meaning.paths for meaning in meanings):
        paths = list(meanings[0].paths)
        for meaning in meanings[1:]:
            paths = _narrowed(paths, meaning.paths)
        under = tuple(Under(column, path) for path in paths)
        return under[0] if len(under) == 1 else Or(under)
    values = tuple(dict.fromkeys(value for meaning in meanings for value in meaning.values))
    trees: list[Filter] = [
        And(tests) if len(tests) > 1 else tests[0]
        for meaning in meanings
        if (tests := tuple(Comparison(column, *test) for test in meaning.tests))
    ]
    if values:
        trees.append(Comparison(column, "=", values[0]) if len(values) == 1 else In(column, values))
    return trees[0] if len(trees) == 1 else Or(tuple(trees))


def _narrowed(
    paths: Sequence[tuple[str, ...]], others: Sequence[tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """Return the deeper of each two paths one below the other; all paths without such a pair."""
    both = [
        max(path, other, key=len)
        for path in paths
        for other in others
        if path[: len(other)] == other or other[: len(path)] == path
    ]
    return list(dict.fromkeys(both or [*paths, *others]))


def _capped(item: Recognised, strongest: Action) -> Recognised:
    if item.kind == "identifier":
        return item
    if ACTIONS.index(item.action) >= ACTIONS.index(strongest):
        return item
    if item.kind in ("price", "exclusion") and strongest == "boost":
        return item  # who says "under 500" wants nothing dearer, who says "not red" nothing red
    return replace(item, action=strongest, reason=f"the search settings say {strongest} at most")


def chosen(item: Recognised, choices: Mapping[str, Action]) -> Recognised:
    """Give an item the action that a request chooses; raises SearchError for what is none."""
    choice = choices.get(item.name)
    if choice is None:
        return item
    if choice not in ACTIONS:
        raise SearchError(
            f"{item.name!r} is switched to {choice!r}. Choose one of: {', '.join(ACTIONS)}."
        )
    if choice == "filter" and item.kind == "exclusion" and not item.excluded:
        return item  # no column says which products to leave out
    return replace(item, action=choice, reason="as chosen")
