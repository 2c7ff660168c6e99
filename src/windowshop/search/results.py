"""Rows of a page -> results with what a result page needs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from windowshop.ranking.result_set import Page
from windowshop.search.answer import Explanation, Result

KEPT_PATHS = 100_000


class PhotoPaths:
    """Where photos lie, each looked up once: following links takes longer than all else here."""

    def __init__(self, find: Callable[[str | None], Path | None]) -> None:
        self._find = find
        self._known: dict[str, Path] = {}

    def __call__(self, image: str | None) -> Path | None:
        """See `OpenIndex.photo_path`."""
        if not image:
            return None
        known = self._known.get(image)
        if known is not None and known.is_file():
            return known
        found = self._find(image)
        if found is not None:
            if len(self._known) >= KEPT_PATHS:
                self._known.clear()
            self._known[image] = found
        return found


def results_of(
    page: Page,
    rows: pl.DataFrame,
    photo_path: Callable[[str | None], Path | None],
    explanations: Sequence[Explanation] | None,
) -> tuple[Result, ...]:
    """One result a row; columns whose name begins with _ are ours and are left out."""
    reasons = explanations or (None,) * len(rows)
    shown = rows.select([name for name in rows.columns if not name.startswith("_")])
    pairs = zip(shown.iter_rows(named=True), reasons, strict=True)
    return tuple(
        _result(page, place, row, photo_path(row.get("image")), why)
        for place, (row, why) in enumerate(pairs)
    )


def _result(
    page: Page, place: int, row: dict[str, Any], photo: Path | None, why: Explanation | None
) -> Result:
    return Result(
        rank=page.offset + place + 1,
        product_id=row["product_id"],
        score=float(page.scores[place]),
        title=row.get("title"),
        brand=row.get("brand"),
        price=row.get("price"),
        category=row.get("category"),
        image=str(photo) if photo else None,
        group_size=int(page.group_sizes[place]),
        fields=row,
        explanation=why,
    )
