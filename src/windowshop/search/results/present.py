"""An arranged page and how it was found -> the answer."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from windowshop.index import GenerationManifest, OpenIndex
from windowshop.search.answer import Answer, Explanation, Result, Retrieved, shown
from windowshop.search.certainty.verdict import Certainty
from windowshop.search.request import SearchRequest
from windowshop.search.results.arrange import ArrangedResults
from windowshop.search.results.result_set import Page
from windowshop.search.results.shown_columns import CURRENCY, ShownColumns
from windowshop.search.retrieval.retrieve import Found


def present(
    page: Page,
    rows: Sequence[Mapping[str, Any]],
    image_path: Callable[[str | None], Path | None],
    fields: Sequence[str] | None,
    explanations: Sequence[Explanation] | None,
    columns: ShownColumns,
) -> tuple[Result, ...]:
    """Return the results of a page, one a row, with these of its fields or with all shown ones."""
    reasons = explanations or (None,) * len(rows)
    shown_rows = [columns.of_row(row) for row in rows]
    return tuple(
        Result(
            rank=page.offset + place + 1,
            product_id=row["product_id"],
            score=float(page.scores[place]),
            title=own.get("title"),
            brand=own.get("brand"),
            price=own.get("price"),
            currency=_text(own.get(CURRENCY)),
            category=own.get("category"),
            image=str(path) if (path := image_path(row.get("image"))) else None,
            group_size=int(page.group_sizes[place]),
            fields=own if fields is None else {name: row[name] for name in fields if name in row},
            explanation=reason,
        )
        for place, (row, own, reason) in enumerate(zip(rows, shown_rows, reasons, strict=True))
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def assemble(
    index: OpenIndex,
    request: SearchRequest,
    found: Found,
    certainty: Certainty | None,
    arranged: ArrangedResults,
    results: tuple[Result, ...],
) -> Answer:
    """Put the answer together; its times are added by the caller."""
    understanding, cut = found.understanding, found.candidates.cut
    corrected = None
    if understanding and understanding.corrected != understanding.query:
        corrected = understanding.corrected
    return Answer(
        search_id=uuid.uuid4().hex,
        generation=index.generation,
        text=request.query,
        where=request.where,
        corrected=corrected,
        recognised=tuple(map(shown, found.recognised)),
        relaxed=found.notes,
        certainty=certainty,
        total=arranged.page.total,
        total_products=arranged.total_products,
        matching=found.candidates.num_allowed,
        facets=arranged.facets,
        retrieved=Retrieved(
            channels=found.candidates.num_found,
            below_probability=cut.below_probability,
            below_share=cut.below_share,
            beyond_max=cut.beyond_max,
        ),
        text_weight=_text_weight(found.encoded.vectors.get("vectors"), index.manifest),
        took_ms=0.0,
        timings_ms={},
        results=results,
    )


def _text_weight(query_1P: np.ndarray | None, manifest: GenerationManifest) -> float | None:
    """Return the weight b of a query [b q; (1 - b) q], interleaved (`QueryWeight`)."""
    if query_1P is None or manifest.width != 2 * (manifest.image_width or 0):
        return None
    first, second = np.linalg.norm(query_1P[0, 0::2]), np.linalg.norm(query_1P[0, 1::2])
    return float(first / (first + second))
