"""Turn matches and prices of a query into filters and boosts that the shopper can switch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from windowshop.data import And, Comparison, Filter, In, Or, Under
from windowshop.errors import ConfigError, SearchError
from windowshop.search.understanding.vocabulary import Match, Understanding

Action: TypeAlias = Literal["filter", "boost", "off"]
ACTIONS: tuple[Action, ...] = ("filter", "boost", "off")
"""The strongest first."""
PRICE = "price"


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
    tree: Filter
    action: Action
    certainty: float
    """Certainty in (0, 1]."""
    reason: str
    """Reason of the action, for the answer."""


def recognise(
    understanding: Understanding,
    config: PrecisionConfig,
    choices: Mapping[str, Action] | None = None,
    strongest: Action = "filter",
) -> tuple[Recognised, ...]:
    """Choose an action for everything recognised, at most `strongest`.

    Prices filter where others may boost; `choices` by name override everything. Values of one
    column are alternatives ("red or blue"); levels of a category one below the other become one
    narrower category. Raises SearchError for a choice that is no action; unknown names are ignored.
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
        found.append(Recognised(PRICE, text, tree, action, 1.0, "a price in words"))
    capped = (_capped(item, strongest) for item in found)
    return tuple(_chosen(item, choices or {}) for item in capped)


def required(recognised: Iterable[Recognised], where: Filter | None = None) -> Filter | None:
    """Return the filter of a search: the request's own and every recognised one."""
    parts = [] if where is None else [where]
    parts += [item.tree for item in recognised if item.action == "filter"]
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
        text=", ".join(match.text for match in matches),
        tree=_tree(column, matches),
        action=action,
        certainty=certainty,
        reason=reason,
    )


def _tree(column: str, matches: Sequence[Match]) -> Filter:
    if any(match.meaning.paths for match in matches):
        paths = list(matches[0].meaning.paths)
        for match in matches[1:]:
            paths = _narrowed(paths, match.meaning.paths)
        under = tuple(Under(column, path) for path in paths)
        return under[0] if len(under) == 1 else Or(under)
    values = tuple(dict.fromkeys(value for match in matches for value in match.meaning.values))
    return Comparison(column, "=", values[0]) if len(values) == 1 else In(column, values)


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
    if ACTIONS.index(item.action) >= ACTIONS.index(strongest):
        return item
    if item.name == PRICE and strongest == "boost":
        return item  # who says "under 500" wants nothing dearer
    return replace(item, action=strongest, reason=f"the search settings say {strongest} at most")


def _chosen(item: Recognised, choices: Mapping[str, Action]) -> Recognised:
    choice = choices.get(item.name)
    if choice is None:
        return item
    if choice not in ACTIONS:
        raise SearchError(
            f"{item.name!r} is switched to {choice!r}. Choose one of: {', '.join(ACTIONS)}."
        )
    return replace(item, action=choice, reason="as chosen")
