"""Counts of a column's values among results, and histograms of its numbers.

Shapes: M results, I items of a column: a product has none, one, or those of its list.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from windowshop.errors import SearchError
from windowshop.index import Coded, form_of
from windowshop.search.answer import Facet, FacetValue, NumberFacet
from windowshop.search.request import FacetFilter, FacetValues


def count_values(
    name: str,
    items: Coded,
    passes_M: np.ndarray,
    groups_M: np.ndarray,
    limit: int,
    wanted: FacetFilter | None,
) -> Facet:
    """Count a column's values among products that pass, and their groups, numbered from 0."""
    if limit < 0:
        raise SearchError(f"Facet {name!r}: limit={limit} must not be negative.")
    passes_I = passes_M[items.places_I]
    places_I, codes_I = items.places_I[passes_I], items.codes_I[passes_I]
    counts_V = np.bincount(codes_I)
    found = np.flatnonzero(counts_V)
    ordered = found[np.argsort(-counts_V[found], kind="stable")]  # codes have the values' order
    shown = ordered[:limit].tolist()
    asked = wanted.values if isinstance(wanted, FacetValues) else ()
    picked, absent = _picked(items.values, ordered.tolist(), asked)
    shown += [code for code in ordered[limit:].tolist() if code in picked]
    group_counts = _num_groups(codes_I, groups_M[places_I], shown)
    values = [
        FacetValue(items.values[code], int(counts_V[code]), num_groups, code in picked)
        for code, num_groups in zip(shown, group_counts, strict=True)
    ]
    values += [FacetValue(value, 0, 0, True) for value in sorted(absent, key=str)]
    missing = np.count_nonzero(passes_M) - np.count_nonzero(np.diff(places_I, prepend=-1))
    return Facet(name, tuple(values), len(found), int(missing))


def _picked(
    values: Sequence[Any], codes: Sequence[int], asked: Sequence[Any]
) -> tuple[set[int], set[Any]]:
    """Return the codes of picked values, however these are written, and the values not there."""
    wanted = set(asked)
    picked = {code for code in codes if values[code] in wanted} if wanted else set()
    absent = wanted - {values[code] for code in picked}
    forms = {form_of(value): value for value in absent}
    for code in codes if forms else ():
        if (value := forms.get(form_of(values[code]))) is not None:
            picked.add(code)
            absent.discard(value)
    return picked, absent


def _num_groups(codes_I: np.ndarray, groups_I: np.ndarray, shown: list[int]) -> list[int]:
    """Return how many groups have each of the shown codes."""
    if not shown:
        return []
    row_V = np.full(int(codes_I.max()) + 1, -1, dtype=np.int64)
    row_V[shown] = np.arange(len(shown))
    rows_I = row_V[codes_I]
    is_shown = rows_I >= 0
    pairs = np.unique(rows_I[is_shown] * (int(groups_I.max()) + 1) + groups_I[is_shown])
    counted: list[int] = np.bincount(pairs // (int(groups_I.max()) + 1)).tolist()
    return counted


def count_numbers(name: str, numbers: np.ndarray, num_bins: int) -> NumberFacet:
    """Count numbers in equal bins; NaN and infinities count as missing."""
    if num_bins < 1:
        raise SearchError(f"Facet {name!r}: {num_bins} bins; ask for at least 1.")
    found = numbers[np.isfinite(numbers)]
    missing = len(numbers) - len(found)
    if not len(found):
        return NumberFacet(name, None, None, (), (), missing)
    low, high = float(found.min()), float(found.max())
    if low == high:
        return NumberFacet(name, low, high, (low, high), (len(found),), missing)
    counts, edges = np.histogram(found, bins=num_bins)
    return NumberFacet(name, low, high, tuple(edges.tolist()), tuple(counts.tolist()), missing)
