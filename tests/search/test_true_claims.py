"""Random queries on the demo's shop: whatever an answer claims of a product, the product has."""

import random
from contextlib import closing
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from support.claims import JUNK, false_claims, random_query
from support.tabled_index import TabledIndex

from windowshop.data import attribute_columns, complete_columns, fill_attributes
from windowshop.data.dataset import PRODUCT_SCHEMA
from windowshop.demo.products import make_products, product_rows
from windowshop.search.request import Diversity, SearchRequest
from windowshop.search.searcher import Searcher

NUM_PRODUCTS, NUM_QUERIES, WIDTH = 400, 60, 8
COLUMNS = ("colour", "material", "pattern", "size", "brand")


class DemoIndex(TabledIndex):
    """The demo's products with random vectors; a text has a vector of its own."""

    def __init__(self, folder):
        rows = product_rows(make_products(NUM_PRODUCTS, 0), 0)
        table = complete_columns(pl.DataFrame(rows, infer_schema_length=None), PRODUCT_SCHEMA)
        self.table = fill_attributes(table, attribute_columns(table))
        x_NW = np.random.default_rng(0).normal(size=(len(table), WIDTH)).astype(np.float32)
        x_NW /= np.linalg.norm(x_NW, axis=1, keepdims=True)
        super().__init__(folder, self.table, x_NW, folder)

    def encode_queries(self, texts, images):
        rng = np.random.default_rng([len(text) for text in texts])
        return rng.normal(size=(len(texts), WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    with closing(DemoIndex(tmp_path_factory.mktemp("demo") / "c")) as made:
        yield made


@pytest.fixture(scope="module")
def rows(index):
    return {row["product_id"]: row for row in index.table.to_dicts()}


@pytest.fixture(scope="module")
def queries(index):
    table, rng = index.table, random.Random(0)
    levels = table["category"].str.split(" > ").explode()
    columns = [table[name].drop_nulls() for name in COLUMNS]
    values = [series.unique().sort().to_list() for series in (levels, *columns)]
    return [random_query(rng, [*values, list(JUNK)]) for _ in range(NUM_QUERIES)]


@pytest.mark.parametrize("strongest", ["filter", "boost"])
def test_no_product_is_claimed_to_have_what_it_has_not(index, rows, queries, strongest):
    searcher = Searcher(index)
    searcher.settings = replace(searcher.settings, strongest=strongest)
    claims = 0
    for query in queries:
        request = SearchRequest(text=query, limit=NUM_PRODUCTS, explain=True)
        answer = searcher.answer(request)
        assert false_claims(answer, rows) == [], query
        claims += sum(len(r.explanation.boosted_by) for r in answer.results)
        for part in answer.recognised:  # what is left out is told by name
            if part.kind == "exclusion":
                assert part.name.startswith("not "), query
    assert claims > 100


@pytest.mark.parametrize("diversity", [None, Diversity(method="mmr", max_per={"brand": 2})])
def test_totals_facets_and_pages_agree(index, rows, queries, diversity):
    searcher = Searcher(index)
    for query in queries[:25]:
        whole = searcher.answer(
            SearchRequest(
                text=query, limit=NUM_PRODUCTS, facets=COLUMNS, facet_limit=500, diversity=diversity
            )
        )
        ids = [result.product_id for result in whole.results]
        assert len(ids) == len(set(ids)) == whole.total == whole.total_products, query
        for facet in whole.facets:
            known = [rows[name][facet.column] for name in ids if rows[name][facet.column]]
            assert {v.value: v.products for v in facet.values} == {
                value: known.count(value) for value in known
            }, query
            assert facet.missing == len(ids) - len(known)
        paged: list[str] = []
        for offset in range(0, min(whole.total, 60), 20):
            page = searcher.answer(
                SearchRequest(text=query, limit=20, offset=offset, diversity=diversity)
            )
            assert page.total == whole.total
            paged += [result.product_id for result in page.results]
        assert paged == ids[: len(paged)], query
