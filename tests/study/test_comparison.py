from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from support.studies import study

from windowshop.errors import DataError
from windowshop.evaluation.metrics import MEASURES, Estimate
from windowshop.evaluation.significance import Comparison, Corrected, holm
from windowshop.study.config import Falsifier
from windowshop.study.report.comparison import (
    StudyScores,
    judge,
    most_different_queries,
    summarise,
)
from windowshop.study.results import SeedResult, VariantResult


def variant(name, *seeds):
    """A variant of nDCG@10 values alone, one mapping a seed."""
    results = tuple(
        SeedResult(
            seed=i,
            seconds=1.0,
            memory_mb=None,
            parameters=0,
            dev_score=None,
            per_query=pl.DataFrame(
                [("all", query, "ndcg@10", value) for query, value in values.items()],
                schema=["slice", "query_id", "measure", "value"],
                orient="row",
            ),
        )
        for i, values in enumerate(seeds)
    )
    return VariantResult(name=name, group="fusion", note="", seeds=results)


BETTER = variant("experts", {"a": 0.9, "b": 0.5, "c": 0.4}, {"a": 0.7, "b": 0.5, "c": 0.2})
WORSE = variant("plain", {"a": 0.2, "b": 0.5, "c": 0.6})


def small(*variants, **changes):
    bare = {"falsifiers": (), "examples": (), "curves": {}}
    return study(variants=variants, **{**bare, **changes})


def test_scores_are_by_seed_and_query():
    scores = StudyScores(small(BETTER, WORSE))
    found = scores.of("experts", "all", "ndcg@10")
    assert found.by_query() == pytest.approx({"a": 0.8, "b": 0.5, "c": 0.3})
    assert found.seeds == (0, 1)
    assert scores.of("experts", "all", "mrr@10") is None
    assert scores.of("absent", "all", "ndcg@10") is None


def test_summary_by_hand():
    summary = summarise(small(BETTER, WORSE))
    assert summary.means["experts"]["ndcg@10"].mean == pytest.approx((0.6 + 1.4 / 3) / 2)
    found = summary.main["plain"].comparison
    assert found.difference.mean == pytest.approx((-0.6 + 0 + 0.3) / 3)
    assert (found.wins, found.ties, found.losses) == (1, 1, 1)
    assert "experts" not in summary.main
    assert "experts" not in summary.tests


def test_every_table_is_a_family_of_its_own():
    summary = summarise(study())
    names = {v.name for v in study().variants} - {"experts"}
    assert set(summary.main) == set(summary.tests) == names
    plain = {name: item.comparison.p_value for name, item in summary.main.items()}
    assert {name: item.p_holm for name, item in summary.main.items()} == holm(plain)
    cells = {(n, m): item for n, by in summary.tests.items() for m, item in by.items()}
    assert len(cells) == len(names) * len(MEASURES)
    corrected = holm({key: item.comparison.p_value for key, item in cells.items()})
    assert {key: item.p_holm for key, item in cells.items()} == corrected


def test_slices_are_compared_with_the_reference_there():
    summary = summarise(study())
    experts, text_only = summary.slices["experts"], summary.slices["text_only"]
    assert set(text_only) == {"visual=True", "image=missing"}
    assert text_only["visual=True"]["ndcg@10"].sign == -1
    assert text_only["visual=True"]["ndcg@10"].num_queries == 50
    assert experts["visual=True"]["ndcg@10"].sign == 0
    assert summary.slices["one_stage"]["visual=True"]["ndcg@10"].sign == 0


def test_an_unknown_reference_is_named():
    with pytest.raises(DataError, match="no variant 'gone'"):
        summarise(study(reference="gone"))


CLAIM = Falsifier(claim="c", better="experts", worse="plain")


@pytest.mark.parametrize(
    ("mean", "margin", "better", "not_better"),
    [
        (0.02, 0.0, "holds", "does not hold"),
        (-0.02, 0.0, "does not hold", "holds"),
        (0.005, 0.0, "undecided", "undecided"),
        (0.005, 0.02, "does not hold", "holds"),
        (0.015, 0.01, "undecided", "undecided"),
        (0.03, 0.01, "holds", "does not hold"),
    ],
)
def test_verdict_by_size_and_p(mean, margin, better, not_better):
    claim = replace(CLAIM, margin=margin)
    opposite = replace(claim, expect="not better")
    found = Comparison(
        difference=Estimate(mean, mean - 0.007, mean + 0.007, 100),
        margin=margin,
        p_value=0.001,
        detectable=0.01,
        wins=1,
        ties=1,
        losses=1,
    )
    assert judge(claim, Corrected(found, 0.049), (3, 3)).answer == better
    assert judge(opposite, Corrected(found, 0.049), (3, 3)).answer == not_better
    assert judge(claim, Corrected(found, 0.05), (3, 3)).answer == "undecided"
    assert judge(opposite, Corrected(found, 0.05), (3, 3)).answer == "undecided"
    assert judge(claim, None, (3, 0)).answer == "not tested"


def by_query(offset, spread=0.0, seed=0):
    """Forty queries around .5 and the offset, with a spread about it whose mean is 0."""
    noise = np.random.default_rng(seed).normal(0, spread, 40)
    return {f"q{i}": 0.5 + offset + gap for i, gap in enumerate(noise - noise.mean())}


def test_a_claim_is_undecided_where_correction_takes_it_away():
    """One of 30 claims that are as well founded: p .003 alone is .09 among them."""
    variants = [
        variant("plain", by_query(0.0)),
        *(variant(f"v{i}", by_query(0.0039, 0.01, i)) for i in range(30)),
    ]
    claims = [Falsifier(claim="c", better=f"v{i}", worse="plain") for i in range(30)]
    results = small(*variants, reference="plain", falsifiers=tuple(claims[:1]))
    (alone,) = summarise(results).verdicts
    corrected, *others = summarise(replace(results, falsifiers=tuple(claims))).verdicts
    assert alone.answer == "holds"
    assert corrected.tested.comparison == alone.tested.comparison
    plain = [verdict.tested.comparison.p_value for verdict in (corrected, *others)]
    assert corrected.tested.p_holm == pytest.approx(holm(dict(enumerate(plain)))[0])
    assert corrected.tested.p_holm > 0.05 > 5 * alone.tested.p_holm
    assert corrected.answer == "undecided"


def test_claims_are_a_family_whatever_they_are_about():
    results = small(
        variant("experts", by_query(0.02, 0.004)),
        variant("plain", by_query(0.0)),
        variant("other", by_query(0.01, 0.004, 1)),
        falsifiers=(
            Falsifier(claim="a", better="other", worse="plain"),
            Falsifier(claim="b", better="plain", worse="experts", expect="not better"),
            Falsifier(
                claim="at the margin itself",
                better="other",
                worse="plain",
                expect="not better",
                margin=0.01,
            ),
        ),
    )
    verdicts = summarise(results).verdicts
    plain = {i: v.tested.comparison.p_value for i, v in enumerate(verdicts)}
    assert {i: v.tested.p_holm for i, v in enumerate(verdicts)} == holm(plain)
    assert plain[2] == 1
    assert [v.answer for v in verdicts] == ["holds", "holds", "undecided"]


def test_spread_over_seeds_undoes_what_queries_alone_would_show():
    """Every query gains .01 on average, but one seed in three loses by as much."""
    seeds = [by_query(offset, 0.004, i) for i, offset in enumerate((0.025, 0.02, -0.015))]
    claim = Falsifier(claim="c", better="experts", worse="plain")
    results = small(
        variant("experts", *seeds), variant("plain", by_query(0.0)), falsifiers=(claim,)
    )
    (verdict,) = summarise(results).verdicts
    averaged = [{q: sum(s[q] for s in seeds) / 3 for q in seeds[0]}]
    alone = small(
        variant("experts", *averaged), variant("plain", by_query(0.0)), falsifiers=(claim,)
    )
    assert summarise(alone).verdicts[0].answer == "holds"
    assert verdict.answer == "undecided"
    assert verdict.tested.too_small


def test_verdicts_of_a_study():
    verdicts = summarise(study()).verdicts
    assert [v.answer for v in verdicts] == ["holds", "holds", "not tested"]
    assert verdicts[0].tested.comparison.difference.mean == pytest.approx(0.05, abs=0.01)
    assert verdicts[0].num_seeds == (3, 3)
    assert verdicts[2].num_seeds == (3, 0)


def test_a_claim_can_be_about_a_slice():
    claim = replace(CLAIM, worse="text_only", slice="visual=True", measure="recall@100")
    (verdict,) = summarise(study(falsifiers=(claim,))).verdicts
    assert verdict.tested.comparison.difference.n == 50
    assert verdict.tested.p_holm == verdict.tested.comparison.p_value  # a family of one


def test_queries_that_differ_most_take_turns():
    mine = {"a": 0.9, "b": 0.5, "c": 0.1, "d": 0.6, "e": 0.3}
    other = {"a": 0.2, "b": 0.5, "c": 0.6, "d": 0.3, "e": 0.4}  # +.7 0 -.5 +.3 -.1
    results = small(variant("experts", mine), variant("plain", other))
    assert most_different_queries(results, "experts", "plain") == ["a", "c", "d", "e"]
    assert most_different_queries(results, "experts", "plain", count=2) == ["a", "c"]
    assert most_different_queries(results, "experts", "absent") == []
