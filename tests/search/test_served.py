"""A search evaluated as served, beside each channel alone."""

from contextlib import closing
from dataclasses import replace

import polars as pl
import pytest
from support.tuned_shop import shop

from windowshop.errors import DataError
from windowshop.evaluation.judge.grades import EndpointGrades, Grade
from windowshop.evaluation.judge.rubric import WORKBENCH, Rubric
from windowshop.evaluation.metrics import as_qrels, score_queries
from windowshop.search.certainty.config import CertaintyConfig
from windowshop.search.request import SearchRequest
from windowshop.search.results.rules import Rule, Rules
from windowshop.search.retrieval.config import CutoffConfig
from windowshop.search.searcher import Searcher
from windowshop.search.settings import SearchSettings
from windowshop.search.tuning.served import alone_settings, evaluate_searcher, served_pairs
from windowshop.search.understanding.recognition import PrecisionConfig

LENIENT = PrecisionConfig(min_products=1, min_coverage=0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    index, dataset = shop(tmp_path_factory.mktemp("shop"))
    with closing(index):
        settings = SearchSettings(precision=LENIENT, certainty=CertaintyConfig(min_probability=0))
        yield Searcher(index, settings), dataset


def only(dataset, *kinds):
    return replace(dataset, queries=dataset.queries.filter(pl.col("kind").is_in(kinds)))


def mean(evaluation, system, part="all", measure="ndcg@10"):
    return evaluation.tables[system][part][measure].mean


def test_served_is_what_a_request_brings(made):
    searcher, dataset = made
    texts = only(dataset, "look", "code", "brand")
    found = evaluate_searcher(searcher, texts, "dev")
    run = {
        query_id: {
            r.product_id: -r.rank
            for r in searcher.answer(SearchRequest(text=text, limit=100)).results
        }
        for query_id, text in texts.queries.select("query_id", "query").iter_rows()
    }
    scores = score_queries(as_qrels(texts.qrels_of(texts.queries)), run, 2)
    for measure in ("ndcg@10", "recall@100"):
        values = scores[measure].values()
        assert mean(found, "served", measure=measure) == pytest.approx(sum(values) / len(values))


def test_each_channel_finds_what_it_can(made):
    searcher, dataset = made
    found = evaluate_searcher(searcher, dataset, "dev", ["kind"])
    assert list(found.tables) == ["served", "vectors", "photo", "words", "fused", "bm25"]
    assert found.reference == "served"
    assert mean(found, "words", "kind=code") == 1 > mean(found, "vectors", "kind=code")
    assert mean(found, "vectors", "kind=look") > mean(found, "words", "kind=look")
    assert mean(found, "photo", "kind=photo") > 0.9
    # A channel finds nothing for a query that it cannot read.
    assert mean(found, "words", "kind=photo") == mean(found, "photo", "kind=look") == 0
    gain = found.gains["words"]["kind=look"]["ndcg@10"].mean
    assert gain == pytest.approx(
        mean(found, "served", "kind=look") - mean(found, "words", "kind=look")
    )


def test_the_vectors_of_the_model_know_no_names(made):
    searcher, dataset = made
    found = evaluate_searcher(searcher, only(dataset, "brand"), "dev")
    assert mean(found, "vectors") > mean(found, "fused")
    assert "photo" not in found.tables


def test_the_cutoff_counts_as_served_and_is_told(made):
    searcher, dataset = made
    texts = only(dataset, "look")
    whole = evaluate_searcher(searcher, texts, "dev")
    assert not any("cut-off" in note for note in whole.notes)
    settings = searcher.settings
    short = replace(settings.text, cutoff=CutoffConfig(min_share=1.0, min_results=1))
    cut = evaluate_searcher(searcher.with_settings(replace(settings, text=short)), texts, "dev")
    assert mean(cut, "served", measure="recall@100") < mean(whole, "served", measure="recall@100")
    for system in ("vectors", "words", "fused"):
        assert cut.tables[system] == whole.tables[system]
    assert any("ended 8 of 8 lists of served before rank 100" in note for note in cut.notes)


def test_a_search_that_has_only_the_closest_is_as_short_as_it_is_shown(made):
    searcher, dataset = made
    doubtful = CertaintyConfig(min_probability=1, max_closest=2)
    settings = replace(searcher.settings, certainty=doubtful)
    found = evaluate_searcher(searcher.with_settings(settings), only(dataset, "look"), "dev")
    assert mean(found, "served", measure="recall@100") < 0.5
    assert mean(found, "vectors", measure="recall@100") == 1
    assert any("ended 8 of 8 lists of served before rank 100" in note for note in found.notes)


def test_the_rules_of_the_shop_count_as_served(made):
    searcher, dataset = made
    texts = only(dataset, "code")
    rules = Rules(rules=(Rule(name="pinned", pin=("p47",)),))
    ruled = Searcher(searcher.index, searcher.settings, rules=rules)
    found = evaluate_searcher(ruled, texts, "dev")
    assert mean(found, "served", measure="ndcg@1") == 0
    assert mean(found, "fused") == mean(evaluate_searcher(searcher, texts, "dev"), "fused")


def test_a_query_that_cannot_be_searched_finds_nothing(made):
    searcher, dataset = made
    texts = only(dataset, "look")
    long = pl.when(pl.col("query_id") == "look0").then(pl.lit("x" * 1001)).otherwise("query")
    found = evaluate_searcher(
        searcher, replace(texts, queries=texts.queries.with_columns(query=long)), "dev"
    )
    assert any("1 queries cannot be searched" in note and "1001" in note for note in found.notes)
    scores = found.per_query.filter(system="served", query_id="look0", measure="ndcg@10")
    assert scores["value"].to_list() == [0]


def test_products_that_the_index_lacks_are_told(made):
    searcher, dataset = made
    stranger = dataset.products[:1].with_columns(product_id=pl.lit("new"))
    more = replace(dataset, products=pl.concat([dataset.products, stranger]))
    (note,) = evaluate_searcher(searcher, only(more, "look"), "dev").notes
    assert "1 of the 49 of the data are not among them" in note


def test_a_split_without_judgements_is_named(made):
    searcher, dataset = made
    with pytest.raises(DataError, match="split 'final' has no judged query"):
        evaluate_searcher(searcher, dataset, "final")


def test_a_channel_alone_counts_whatever_it_weighs():
    settings = SearchSettings()
    for name in ("vectors", "words", "photo"):
        for kind in ("text", "photo", "text_and_photo"):
            (own,) = getattr(alone_settings(settings, name), kind).channels
            assert (own.name, own.weight > 0) == (name, True)


def test_the_first_results_are_pairs_for_a_judge(made):
    searcher, dataset = made
    texts = only(dataset, "code", "brand")
    found = served_pairs(searcher, texts, "dev", 3)
    assert set(found["query_id"]) <= set(texts.queries.filter(split="dev")["query_id"])
    for query_id, text in texts.queries.filter(split="dev").select("query_id", "query").iter_rows():
        answer = searcher.answer(SearchRequest(text=text, limit=3, fields=()))
        shown = [result.product_id for result in answer.results]
        assert found.filter(query_id=query_id)["product_id"].to_list() == shown


def test_a_judges_grades_are_scored_beside_peoples(made):
    """Of a judge that grades one shown result of each query: other figures, and a note."""
    searcher, dataset = made
    texts = only(dataset, "look", "code", "brand")
    pairs = served_pairs(searcher, texts, "dev", 1)
    grades = [Grade(query_id, product_id, 3, "") for query_id, product_id in pairs.iter_rows()]
    by_pair = {(grade.query_id, grade.product_id): grade for grade in grades}
    judge = EndpointGrades("small", Rubric(WORKBENCH), by_pair)
    found = evaluate_searcher(searcher, texts, "dev", endpoint=judge)
    assert mean(found, "served", "labels=endpoint") == pytest.approx(1)
    assert mean(found, "served", "labels=relevance") == mean(found, "served")
    assert mean(found, "served") == mean(evaluate_searcher(searcher, texts, "dev"), "served")
    [note] = [note for note in found.notes if note.startswith("labels=endpoint: ")]
    assert "Grades of small, not of people" in note
