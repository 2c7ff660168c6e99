"""Evaluation of an index: the search as served, beside each of its channels, BM25 and the vectors.

All of them answer the judged queries of a split with 100 results, which the metrics read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from windowshop.config import FUSED, SERVED
from windowshop.data import Dataset
from windowshop.errors import SearchError
from windowshop.evaluation import DEPTH, EndpointGrades, Evaluation, judged_split
from windowshop.progress import SILENT, Reporter
from windowshop.registry import CHANNELS
from windowshop.search.answer import Answer
from windowshop.search.certainty.config import CertaintyConfig
from windowshop.search.request import SearchRequest
from windowshop.search.retrieval.channel import TextChannel, channel
from windowshop.search.retrieval.config import (
    MAX_CANDIDATES,
    ChannelConfig,
    CutoffConfig,
    MergeConfig,
)
from windowshop.search.searcher import Searcher
from windowshop.search.settings import SearchSettings
from windowshop.search.tuning.probes import JudgedQuery, queries_of
from windowshop.settings import to_dict

VECTORS = "vectors"
"""Channel of the model's own vectors."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Rankings of one system, and what to know about them."""

    run: dict[str, dict[str, float]]
    """query_id -> product_id -> score, falling with the rank."""
    num_cut: int
    """Queries whose list the cut-off ended before rank 100."""
    refused: tuple[str, ...]
    """Messages of the queries that cannot be searched."""


def evaluate_searcher(
    searcher: Searcher,
    dataset: Dataset,
    split: str = "test",
    slice_specs: Sequence[str] = (),
    reporter: Reporter = SILENT,
    endpoint: EndpointGrades | None = None,
) -> Evaluation:
    """Score the search as served, its channels, the model's vectors and BM25 on a split.

    `served` is a request as it comes, with its cut-off and the shop's rules. A channel alone is
    understood and ruled as that is, without a cut-off. `fused` compares vectors and nothing else.
    """
    judged = judged_split(dataset, split, slice_specs, endpoint)
    queries = queries_of(dataset, judged.queries)
    served = outcome(SERVED, searcher, queries, reporter)
    runs = {SERVED: served.run}
    for name in _channels(searcher, queries):
        alone = searcher.with_settings(alone_settings(searcher.settings, name))
        readable = [query for query in queries if _reads(name, query)]
        runs[name] = outcome(name, alone, readable, reporter).run
    vectors = searcher.with_settings(alone_settings(searcher.settings, VECTORS))
    runs[FUSED] = outcome(FUSED, vectors, queries, reporter, understand=False, rules=False).run
    return judged.evaluation(
        runs, origin=_origin(searcher), notes=_notes(searcher, dataset, served, len(queries))
    )


def served_pairs(
    searcher: Searcher, dataset: Dataset, split: str, top: int, reporter: Reporter = SILENT
) -> pl.DataFrame:
    """Return query_id and product_id of the first results of a split's queries, as served.

    Products that the data lacks are left out.
    """
    queries = queries_of(dataset, dataset.queries.filter(split=split))
    found = outcome(SERVED, searcher, queries, reporter).run
    known = set(dataset.products["product_id"])
    rows = [
        (query_id, product_id)
        for query_id, run in found.items()
        for product_id in list(run)[:top]
        if product_id in known
    ]
    return pl.DataFrame(rows, {"query_id": pl.String, "product_id": pl.String}, orient="row")


def alone_settings(settings: SearchSettings, name: str) -> SearchSettings:
    """Return settings by which one channel answers alone, with every product that it finds."""
    return replace(
        settings,
        certainty=CertaintyConfig(min_probability=0),
        text=_alone(settings.text, name),
        photo=_alone(settings.photo, name),
        text_and_photo=_alone(settings.text_and_photo, name),
    )


def _alone(merging: MergeConfig, name: str) -> MergeConfig:
    own = next((c for c in merging.channels if c.name == name), ChannelConfig(name=name))
    own = replace(own, weight=own.weight or 1.0, depth=max(own.depth, DEPTH))
    cutoff = CutoffConfig(max_candidates=max(MAX_CANDIDATES, own.depth))
    if merging.method == "calibrated" and not own.curve.scores:
        merging = replace(merging, method="weighted_sum")
    return replace(merging, channels=(own,), cutoff=cutoff)


def _channels(searcher: Searcher, queries: Sequence[JudgedQuery]) -> list[str]:
    """Return the channels that the index can search by and that can read a query."""
    held = searcher.index.collection.spec.vectors
    return [
        name
        for name in CHANNELS
        if (isinstance(own := channel(name), TextChannel) or own.vector in held)
        and any(_reads(name, query) for query in queries)
    ]


def _reads(name: str, query: JudgedQuery) -> bool:
    own = channel(name)
    by_text, by_image = own.reads_text and query.text, own.reads_image and query.image
    return bool(by_text or by_image)


def outcome(
    name: str,
    searcher: Searcher,
    queries: Sequence[JudgedQuery],
    reporter: Reporter,
    **options: bool,
) -> Outcome:
    """Answer every query; one that cannot be searched finds nothing."""
    run: dict[str, dict[str, float]] = {}
    num_cut, refused = 0, []
    with reporter.bar(f"Search: {name}", len(queries)) as advance:
        for query in queries:
            run[query.query_id] = {}
            try:
                answer = _answer(searcher, query, **options)
            except SearchError as error:
                refused.append(str(error))
            else:
                run[query.query_id] = answer.run()
                num_cut += len(answer.results) < DEPTH and _was_cut(answer)
            advance(1, "")
    return Outcome(run, num_cut, tuple(refused))


def _answer(searcher: Searcher, query: JudgedQuery, **options: Any) -> Answer:  # noqa: ANN401
    if query.text is None and query.image is None:
        raise SearchError(f"Query {query.query_id!r} has neither text nor an image.")
    request = SearchRequest(text=query.text, image=query.image, limit=DEPTH, fields=(), **options)
    return searcher.answer(request)


def _was_cut(answer: Answer) -> bool:
    cut = answer.retrieved
    return bool(cut.below_probability or cut.below_share or cut.beyond_max)


def _origin(searcher: Searcher) -> dict[str, Any]:
    index = searcher.index
    return {
        "model": {"run_key": index.manifest.model_key},
        "index": {
            "generation": index.generation,
            "engine": index.manifest.engine,
            "settings": to_dict(searcher.settings),
        },
    }


def _notes(searcher: Searcher, dataset: Dataset, served: Outcome, num_queries: int) -> list[str]:
    ids = dataset.products["product_id"]
    with searcher.state() as state:
        num_missing = sum(product_id not in state.view.columns for product_id in ids)
        num_held = len(state.view.columns)
    notes = []
    if num_missing or num_held != len(ids):
        notes.append(
            f"The index holds {num_held:,} products, and {num_missing:,} of the {len(ids):,} of "
            "the data are not among them; bm25 ranks those of the data."
        )
    if served.num_cut:
        notes.append(
            f"The cut-off ended {served.num_cut:,} of {num_queries:,} lists of served before "
            f"rank {DEPTH}, as a shopper would see them; the channels have none."
        )
    if served.refused:
        notes.append(
            f"{len(served.refused):,} queries cannot be searched and find nothing, the first: "
            f"{served.refused[0]}"
        )
    return notes
