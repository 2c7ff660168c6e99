"""Wishes of a query that no product meets together, and the nearest alternatives.

A wish counts as met by a product that states it, or that names it in title or brand. Where
products state nothing in the column, their images may still show it, so nothing is said.

Shapes: N keys given out so far.
"""

from collections.abc import Sequence

import numpy as np

from windowshop.data import Filter, Null, columns_of, words_of
from windowshop.index import Columns
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
) -> Unmet | None:
    """Return the wishes that no product meets together, as far as the catalogue says so."""
    wishes = [
        item
        for item in recognised
        if item.action != "off" and item.kind in ("value", "price") and item.tree is not None
    ]
    if not wishes or _meets_all(candidates, wishes):
        return None
    columns = state.view.columns
    allowed_N = columns.allowed(where).mask_N
    stated = [_mask(columns, item.tree) for item in wishes]
    if not allowed_N.any() or _may_be_met(state, wishes, stated, allowed_N):
        return None
    names = tuple(item.name for item in wishes)
    text = f"Nothing is {_listed([item.text for item in wishes])}"
    text += " at once." if len(wishes) > 1 else "."
    found = _alternatives(columns, wishes, stated, allowed_N)
    return Unmet(names=names, text=text, alternatives=tuple(found[:MAX_ALTERNATIVES]))


def _meets_all(candidates: Candidates, wishes: Sequence[Recognised]) -> bool:
    """Return whether a candidate meets every wish, by what boosts and filters have tested."""
    keys, boosted = candidates.merged.keys, dict(candidates.boosted)
    for item in wishes:
        if item.action == "boost":
            keys = np.intersect1d(keys, boosted.get(item.name, np.zeros(0, dtype=np.int64)))
    return bool(len(keys))


def _may_be_met(
    state: SearchState,
    wishes: Sequence[Recognised],
    stated: Sequence[np.ndarray],
    allowed_N: np.ndarray,
) -> bool:
    """Return whether a product meets every wish, does not state the column, or names the value."""
    columns, lexical = state.view.columns, state.lexicon.lexical
    open_to, has_words = [], []
    for item, own_N in zip(wishes, stated, strict=True):
        open_N = own_N.copy()
        for name in columns_of(item.tree).intersection(columns.names) if item.tree else ():
            open_N |= _mask(columns, Null(name, is_null=True))
        open_to.append(open_N)
        has_N = open_N.copy()
        if item.kind == "value":
            has_N[lexical.having(words_of(item.text))] = True
        has_words.append(has_N)
    if _all(open_to, allowed_N).any():
        return True
    keys = np.flatnonzero(_all(has_words, allowed_N))[:MOST_READ]
    facts = columns.select(keys, FACTS).iter_rows()
    for key, row in zip(keys.tolist(), facts, strict=True):
        words = words_of(". ".join(text for text in row if text))
        if all(
            open_N[key] or states(words, words_of(item.text), lexical.stem)
            for item, open_N in zip(wishes, open_to, strict=True)
        ):
            return True
    return False


def _alternatives(
    columns: Columns,
    wishes: Sequence[Recognised],
    stated: Sequence[np.ndarray],
    allowed_N: np.ndarray,
) -> list[Alternative]:
    """Return what is there without one of the wishes: a price first, a category last."""
    found = []
    for place in sorted(range(len(wishes)), key=lambda i: _worth(wishes[i])):
        kept = [i for i in range(len(wishes)) if i != place]
        mask_N = _all([stated[i] for i in kept], allowed_N)
        keys = np.flatnonzero(mask_N)
        if not len(keys):
            continue
        low, high = _prices(columns, keys)
        choices: dict[str, Action] = {wishes[i].name: "filter" for i in kept}
        found.append(
            Alternative(
                text=_described([wishes[i] for i in kept], wishes[place], low, high),
                gives_up=wishes[place].name,
                total=len(keys),
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


def _described(
    kept: Sequence[Recognised], dropped: Recognised, low: float | None, high: float | None
) -> str:
    what = _listed([item.text for item in kept]) or "anything"
    if dropped.kind == "price" and low is not None and high is not None:
        return f"{what}, from {low:g}" + (f" to {high:g}" if high > low else "")
    return f"{what}, without {dropped.text}"


def _prices(columns: Columns, keys: np.ndarray) -> tuple[float | None, float | None]:
    rows = columns.select(keys, [PRICE])
    if PRICE not in rows.columns:
        return None, None
    price_K = rows[PRICE].drop_nulls().to_numpy().astype(np.float64)
    price_K = price_K[np.isfinite(price_K)]
    return (float(price_K.min()), float(price_K.max())) if len(price_K) else (None, None)


def _mask(columns: Columns, tree: Filter | None) -> np.ndarray:
    return columns.allowed(tree).mask_N


def _all(masks: Sequence[np.ndarray], allowed_N: np.ndarray) -> np.ndarray:
    all_N = allowed_N.copy()
    for mask_N in masks:
        all_N &= mask_N
    return all_N


def _listed(texts: Sequence[str]) -> str:
    quoted = [f'"{text}"' for text in texts]
    return " and ".join([*filter(None, [", ".join(quoted[:-1])]), *quoted[-1:]])
