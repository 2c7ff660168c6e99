"""Rows of a page -> results with what a result page needs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from windowshop.search.answer import Explanation, Result
from windowshop.search.results.result_set import Page


def results_of(
    page: Page,
    rows: Sequence[Mapping[str, Any]],
    photo_path: Callable[[str | None], Path | None],
    fields: Sequence[str] | None,
    explanations: Sequence[Explanation] | None,
) -> tuple[Result, ...]:
    """One result a row, with these of its fields or with all of them."""
    pairs = zip(rows, explanations or (None,) * len(rows), strict=True)
    return tuple(
        _result(page, place, row, photo_path(row.get("image")), fields, why)
        for place, (row, why) in enumerate(pairs)
    )


def _result(
    page: Page,
    place: int,
    row: Mapping[str, Any],
    photo: Path | None,
    fields: Sequence[str] | None,
    why: Explanation | None,
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
        fields=row if fields is None else {name: row[name] for name in fields if name in row},
        explanation=why,
    )
