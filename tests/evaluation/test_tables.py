import io

import polars as pl
from rich.console import Console

from windowshop.evaluation.evaluator import Evaluation
from windowshop.evaluation.metrics import MEASURES, Estimate
from windowshop.evaluation.tables import render_evaluation

SLICES = ("all", "kind=visual", "cold=True+text_quality=sparse")
SYSTEMS = ("fused", "text_only", "image_only", "bm25")


def table(mean):
    return {
        name: {m: Estimate(mean, mean - 0.1, mean + 0.1, 7) for m in MEASURES} for name in SLICES
    }


def evaluation(tables, gains, reference="fused"):
    return Evaluation(
        reference=reference,
        split="test",
        threshold=2,
        num_products=9583,
        num_queries=563,
        tables=tables,
        gains=gains,
        per_query=pl.DataFrame(),
        notes=("3 of 9 qrels name an unknown query or product and were left out.",),
    )


def lines(shown, width=80):
    console = Console(file=io.StringIO(), width=width)
    console.print(render_evaluation(shown))
    return console.file.getvalue().splitlines()


def test_everything_fits_eighty_columns():
    tables = {name: table(0.1 * place + 0.4) for place, name in enumerate(SYSTEMS)}
    gains = {name: table(-0.15) for name in SYSTEMS[1:]}
    shown = lines(evaluation(tables, gains))
    text = "\n".join(shown)
    assert "…" not in text
    assert max(map(len, shown)) <= 80
    assert "test: 563 queries, 9,583 products" in text
    assert ".400±.100" in text
    assert "-.150 [-.250, -.050]" in text
    assert "left out" in text
    assert text.count("kind=visual") == 1


def test_a_search_and_all_its_channels_fit_eighty_columns():
    systems = ("served", "vectors", "words", "photo", "fused", "bm25")
    tables = {name: table(0.1 * place + 0.3) for place, name in enumerate(systems)}
    gains = {name: table(-0.15) for name in systems[1:]}
    shown = lines(evaluation(tables, gains, "served"))
    assert max(map(len, shown)) <= 80
    text = "\n".join(shown)
    assert "…" not in text
    assert "what served gains" in text
    heading = next(line for line in shown if line.split()[:2] == ["slice", "n"])
    assert heading.split() == ["slice", "n", *systems]


def test_absent_systems_and_measures_leave_no_gap():
    alone = table(0.5)
    del alone["kind=visual"]["recall@100"]
    text = "\n".join(lines(evaluation({"fused": alone}, {})))
    assert "bm25" not in text
    assert "what fused gains" not in text
    assert "-" in next(line for line in text.splitlines() if "kind=visual" in line)
