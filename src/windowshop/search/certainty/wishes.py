"""Wishes of a query that no product meets together, and the nearest alternatives.

A wish counts as met by a product that states it, or that names it in title or brand. Where
products state nothing in the column, their images may still show it, so nothing is said.

Shapes: W wishes, C products that have the words of one.
"""

from collections.abc import Sequence

import numpy as np

from windowshop.data import Filter, Null, Or, columns_of, words_of
from windowshop.index import ProductColumns
from windowshop.search.certainty.verdict import Alternative, Unmet
from windowshop.search.retrieval.lexicon import SearchState
from windowshop.search.retrieval.retrieve import Candidates
from windowshop.search.understanding.exclusions import states
from windowshop.search.understanding.recognition import Action, Recognised

PRICE = "price"
MAX_ALTERNATIVES = 3
FACTS = ("title", "brand")
"""Texts that name what a product is; descriptions name what it goes with too."""
MOST_READ = 200
"""Most products whose texts are read."""


def unmet_wishes(
    state: SearchState,
    candidates: Candidates,
    recognised: Sequence[Recognised],
    where: Filter | None,
    currency: str,
) -> Unmet | None:
    """Return the wishes that no product meets together, as far as the catalogue says so.

    `currency` is the column that states the one of prices, where there is such a column.
    """
    wishes = [
        item
        for item in recognised
        if item.action != "off" and item.kind in ("value", "price") and item.tree is not None
    ]
    if not wishes or meets_all(candidates, wishes):
        return None
    columns = state.view.columns
    if not columns.allowed(where).count or _may_be_met(state, wishes, where):
        return None
    names = tuple(item.name for item in wishes)
    text = f"Nothing is {_listed([item.text for item in wishes])}"
    text += " at once." if len(wishes) > 1 else "."
    unit = _currency(columns, candidates, currency)
    found = _alternatives(columns, wishes, where, unit)
    return Unmet(names=names, text=text, alternatives=tuple(found[:MAX_ALTERNATIVES]))


def meets_all(candidates: Candidates, wishes: Sequence[Recognised]) -> bool:
    """Return whether a candidate meets every wish, by what boosts and filters have tested."""
    keys, boosted = candidates.merged.keys, dict(candidates.boosted)
    for item in wishes:
        if item.action == "boost":
            keys = np.intersect1d(keys, boosted.get(item.name, np.zeros(0, dtype=np.int64)))
    return bool(len(keys))


def _may_be_met(state: SearchState, wishes: Sequence[Recognised], where: Filter | None) -> bool:
    """Return whether a product meets every wish, does not state the column, or names the value."""
    columns, lexical = state.view.columns, state.lexicon.lexical
    open_to = [_open(columns, item.tree) for item in wishes if item.tree is not None]
    if columns.allowed(where, *open_to).count:
        return True
    having = [lexical.having(words_of(item.text)) for item in wishes if item.kind == "value"]
    if not having:
        return False
    keys = np.unique(np.concatenate(having))
    keys = keys[columns.allowed(where).passes(keys)]
    open_WC = columns.matching(open_to, keys)
    has_WC = open_WC.copy()
    values = [place for place, item in enumerate(wishes) if item.kind == "value"]
    for place, own in zip(values, having, strict=True):
        has_WC[place] |= np.isin(keys, own)
    places = np.flatnonzero(has_WC.all(axis=0))[:MOST_READ]
    facts = columns.select(keys[places], FACTS).iter_rows()
    for place, row in zip(places.tolist(), facts, strict=True):
        words = words_of(". ".join(text for text in row if text))
        if all(
            is_open or states(words, words_of(item.text), lexical.stem)
            for item, is_open in zip(wishes, open_WC[:, place].tolist(), strict=True)
        ):
            return True
    return False


def _open(columns: ProductColumns, tree: Filter) -> Filter:
    """Return the filter of the products that state what is wished, or nothing in its columns."""
    names = sorted(columns_of(tree).intersection(columns.names))
    return Or((tree, *(Null(name, is_null=True) for name in names)))


def _alternatives(
    columns: ProductColumns, wishes: Sequence[Recognised], where: Filter | None, unit: str
) -> list[Alternative]:
    """Return what is there without one of the wishes: a price first, a category last."""
    found = []
    for place in sorted(range(len(wishes)), key=lambda i: _worth(wishes[i])):
        kept = [i for i in range(len(wishes)) if i != place]
        trees = [tree for i in kept if (tree := wishes[i].tree) is not None]
        allowed = columns.allowed(where, *trees)
        total = allowed.count
        if not total:
            continue
        low, high = columns.bounds(allowed, PRICE)
        choices: dict[str, Action] = {wishes[i].name: "filter" for i in kept}
        keeps = _listed([wishes[i].text for i in kept]) or "anything"
        found.append(
            Alternative(
                text=_described(keeps, wishes[place], low, high, unit),
                keeps=keeps,
                gives_up=wishes[place].name,
                total=total,
                low=low,
                high=high,
                choices=choices | {wishes[place].name: "off"},
            )
        )
    return found


def _worth(item: Recognised) -> int:
    """Return how much is given up without a wish."""
    if item.kind == "price":
        return 0
    return 2 if item.tree is not None and "category" in columns_of(item.tree) else 1


def _currency(columns: ProductColumns, candidates: Candidates, name: str) -> str:
    """Return the currency of the found products with a space before it; empty where it differs."""
    if name not in columns.names:
        return ""
    found = columns.select(candidates.merged.keys[:MOST_READ], [name])[name].drop_nulls().unique()
    return f" {found[0]}" if len(found) == 1 and isinstance(found[0], str) else ""


def _described(
    keeps: str, dropped: Recognised, low: float | None, high: float | None, unit: str
) -> str:
    if dropped.kind == "price" and low is not None and high is not None:
        return f"{keeps}, from {_amount(low)}{f' to {_amount(high)}' if high > low else ''}{unit}"
    return f"{keeps}, without {dropped.text}"


def _amount(price: float) -> str:
    """Return a price with both its decimals, or none."""
    return f"{price:,.0f}" if price == round(price) else f"{price:,.2f}"


def _listed(texts: Sequence[str]) -> str:
    quoted = [f'"{text}"' for text in texts]
    return " and ".join([*filter(None, [", ".join(quoted[:-1])]), *quoted[-1:]])
