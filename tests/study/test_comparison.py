from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import t as student
from support.studies import study

from windowshop.errors import DataError
from windowshop.evaluation.metrics import MEASURES, Estimate
from windowshop.evaluation.significance import holm
from windowshop.study.config import Falsifier
from windowshop.study.report.comparison import (
    T_975,
    QueryValues,
    judge,
    most_different_queries,
    seed_mean,
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


def test_t_quantiles_are_students():
    assert student.ppf(0.975, np.arange(1, 31)) == pytest.approx(T_975, abs=0.0006)


def test_mean_over_seeds_by_hand():
    # Mean 0.5, standard deviation 0.1, t with 2 degrees of freedom 4.303.
    found = seed_mean([0.4, 0.5, 0.6])
    assert found.mean == pytest.approx(0.5)
    assert found.half == pytest.approx(4.303 * 0.1 / np.sqrt(3))
    assert seed_mean([0.4]).half is None
    assert seed_mean([0.5] * 50).half == 0


def test_values_are_averaged_over_seeds():
    values = QueryValues(small(BETTER, WORSE))
    assert values.of("experts", "all", "ndcg@10") == pytest.approx({"a": 0.8, "b": 0.5, "c": 0.3})
    assert values.of("experts", "all", "mrr@10") == {}
    assert values.of("absent", "all", "ndcg@10") == {}


def test_summary_by_hand():
    summary = summarise(small(BETTER, WORSE))
    assert summary.means["experts"]["ndcg@10"].mean == pytest.approx((0.6 + 1.4 / 3) / 2)
    tested = summary.tests["plain"]["ndcg@10"]
    assert tested.comparison.difference.mean == pytest.approx((-0.6 + 0 + 0.3) / 3)
    assert (tested.comparison.wins, tested.comparison.ties, tested.comparison.losses) == (1, 1, 1)
    assert "experts" not in summary.tests


def test_holm_runs_over_the_variants_for_each_measure():
    summary = summarise(study(), num_permutations=500)
    assert set(summary.tests) == {v.name for v in study().variants} - {"experts"}
    for measure in MEASURES:
        plain = {name: t[measure].comparison.p_value for name, t in summary.tests.items()}
        corrected = {name: t[measure].p_holm for name, t in summary.tests.items()}
        assert corrected == holm(plain)
        assert corrected != plain


def test_slices_are_compared_with_the_reference_there():
    summary = summarise(study(), num_permutations=10)
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
    ("low", "high", "margin", "better", "not_better"),
    [
        (0.01, 0.03, 0.0, "holds", "does not hold"),
        (-0.03, -0.01, 0.0, "does not hold", "holds"),
        (-0.01, 0.02, 0.0, "undecided", "undecided"),
        (-0.01, 0.0, 0.0, "does not hold", "holds"),
        (0.0, 0.01, 0.0, "undecided", "undecided"),
        (0.001, 0.009, 0.01, "does not hold", "holds"),
        (0.001, 0.02, 0.01, "undecided", "undecided"),
        (0.02, 0.03, 0.01, "holds", "does not hold"),
    ],
)
def test_verdict_by_interval(low, high, margin, better, not_better):
    estimate = Estimate((low + high) / 2, low, high, 100)
    claim = replace(CLAIM, margin=margin)
    opposite = replace(claim, expect="not better")
    assert judge(claim, estimate, 0.049, (3, 3)).answer == better
    assert judge(opposite, estimate, 0.049, (3, 3)).answer == not_better
    assert judge(claim, estimate, 0.05, (3, 3)).answer == "undecided"
    assert judge(opposite, estimate, 0.05, (3, 3)).answer == "undecided"


def by_query(offset):
    """Forty queries, all with .5 and the offset."""
    return {f"q{i}": 0.5 + offset for i in range(40)}


def test_a_claim_is_undecided_where_correction_takes_it_away():
    """One of 30 variants that are as good as the reference: p .02 alone is .6 among them."""
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 0.01, 40)
    noise += 0.0038 - noise.mean()
    base = by_query(0.0)
    better = {q: base[q] + gap for q, gap in zip(base, noise, strict=True)}
    claim = Falsifier(claim="c", better="experts", worse="plain")
    alone = small(variant("experts", better), variant("plain", base), falsifiers=(claim,))
    others = [
        variant(f"v{i}", {q: better[q] + gap for q, gap in zip(base, row, strict=True)})
        for i, row in enumerate(rng.normal(0, 0.01, (30, 40)))
    ]
    among = replace(alone, variants=(*alone.variants, *others))
    (found,), (corrected,) = (summarise(x).verdicts for x in (alone, among))
    assert 0.01 < found.p_holm < 0.05
    assert found.answer == "holds"
    assert found.difference.low > 0
    assert corrected.difference == found.difference
    assert corrected.p_holm == summarise(among).tests["plain"]["ndcg@10"].p_holm > 0.05
    assert corrected.answer == "undecided"


def test_claims_beside_the_table_are_corrected_with_it():
    """p of sign flips by hand: 40 equal gaps come so extreme in none of 10,000 flips."""
    results = small(
        variant("experts", by_query(0.02)),
        variant("plain", by_query(0.0)),
        variant("other", by_query(0.01)),
        falsifiers=(
            Falsifier(claim="a", better="other", worse="plain"),
            Falsifier(claim="b", better="plain", worse="other", expect="not better"),
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
    # Two variants in the table and three claims: five tests, and the margin's p is 1.
    assert [v.p_holm for v in verdicts] == pytest.approx([5 / 10_001, 5 / 10_001, 1])
    assert [v.answer for v in verdicts] == ["holds", "holds", "undecided"]


def test_verdicts_of_a_study():
    verdicts = summarise(study(), num_permutations=500).verdicts
    assert [v.answer for v in verdicts] == ["holds", "holds", "not tested"]
    assert verdicts[0].difference.mean == pytest.approx(0.05, abs=0.01)
    assert verdicts[0].num_seeds == (3, 3)
    assert verdicts[2].num_seeds == (3, 0)


def test_a_claim_can_be_about_a_slice():
    claim = replace(CLAIM, worse="text_only", slice="visual=True", measure="recall@100")
    (verdict,) = summarise(study(falsifiers=(claim,)), num_permutations=500).verdicts
    assert verdict.difference.n == 50
    assert verdict.p_holm == pytest.approx(6 / 501)  # beside the five of the table


def test_queries_that_differ_most_take_turns():
    mine = {"a": 0.9, "b": 0.5, "c": 0.1, "d": 0.6, "e": 0.3}
    other = {"a": 0.2, "b": 0.5, "c": 0.6, "d": 0.3, "e": 0.4}  # +.7 0 -.5 +.3 -.1
    results = small(variant("experts", mine), variant("plain", other))
    assert most_different_queries(results, "experts", "plain") == ["a", "c", "d", "e"]
    assert most_different_queries(results, "experts", "plain", count=2) == ["a", "c"]
    assert most_different_queries(results, "experts", "absent") == []
