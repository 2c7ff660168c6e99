"""Answers and report of a study of regimes, from made-up scores."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from support.tiny_regimes import made_up_results

from windowshop.errors import DataError
from windowshop.study.regimes import plots
from windowshop.study.regimes.answers import CellScores, answer_all, best_cells, row_name
from windowshop.study.regimes.config import Cell
from windowshop.study.regimes.page import write_page
from windowshop.study.regimes.regime import Regime
from windowshop.study.regimes.results import load_regime_results
from windowshop.study.report.plots import COLOURS


def level(cell):
    """The third stage gains .1 with 4 queries and loses .1 with all; masks change nothing."""
    gain = {4: 0.1, None: -0.1}.get(cell.regime.queries, 0.0)
    return 0.1 + (gain if cell.schedule == "three" else 0.0)


@pytest.fixture(scope="module")
def results():
    return made_up_results(level)


def test_each_pair_is_compared_in_each_regime_that_has_it(results):
    stage, masks = answer_all(results, "ndcg@10")
    assert stage.rows == ["text_tower_experts: three − two"]
    signs = {regime.queries: tested.sign for (_, regime), tested in stage.tested.items()}
    assert signs == {0: 0, 4: 1, None: -1}
    found = {r.queries: t.comparison.difference.mean for (_, r), t in stage.tested.items()}
    assert found == pytest.approx({0: 0, 4: 0.1, None: -0.1}, abs=0.01)
    assert set(stage.num_seeds.values()) == {3}
    assert masks.rows == ["average, two: plain − no_masks"]
    assert [regime.missing_images for regime in masks.regimes] == [0.0, 0.3]


def test_only_seeds_that_both_cells_have_are_compared(results):
    whole = CellScores(results.scores).of("4 two / text_only / two", "ndcg@10")
    assert whole.seeds == (0, 1, 2)
    assert whole.value_SQ.shape == (3, 40)
    some = CellScores(results.scores).of("4 two / text_only / two", "ndcg@10", (0, 2))
    assert some.seeds == (0, 2)
    np.testing.assert_array_equal(some.value_SQ, whole.value_SQ[[0, 2]])
    assert whole.query_ids == tuple(sorted(whole.query_ids))


def test_the_best_cell_is_chosen_on_dev(results):
    best = {item.regime: item for item in best_cells(results, "ndcg@10")}
    four, everything = (Regime(queries=n, judgements="two") for n in (4, None))
    assert (best[four].cell.schedule, best[everything].cell.schedule) == ("three", "two")
    assert best[four].against_bm25.sign == 1
    assert best[four].against_bm25.comparison.difference.mean == pytest.approx(0.15, abs=0.01)


def test_rows_name_what_differs():
    one = Cell(regime=Regime(), schedule="two", fusion="experts")
    other = Cell(regime=Regime(), schedule="three", fusion="text_only", option="no_masks")
    assert row_name(one, other) == "experts, two, plain − text_only, three, no_masks"
    hard = Cell(regime=Regime(), schedule="two", fusion="experts", option="no_masks")
    assert row_name(one, hard) == "experts, two: plain − no_masks"


def test_the_report_folder_reads_back(results, tmp_path):
    write_page(results, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"report.md", "report.html", "results.json", "per_query.parquet", "plots"}
    found = load_regime_results(tmp_path)
    assert found.cells == results.cells
    assert found.config == results.config
    assert found.scores.equals(results.scores)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if "three − two" in line)
    assert "| +.1" in row.replace("+.099", "+.1").replace("+.101", "+.1")
    assert "▲" in row
    assert "▼" in row
    assert "3 trainings of the study are not finished." in text
    for plot in (tmp_path / "plots").iterdir():
        assert f"plots/{plot.name}" in text
    assert {"queries_two.svg", "question_0.svg", "question_1.svg"} <= {
        plot.name for plot in (tmp_path / "plots").iterdir()
    }
    verdict = (
        "What pays by nDCG@10 on test, in how many differences that are finished: separate stage "
        "in 1 of 3 (harms in 1), masks in 0 of 2; every other difference is undecided."
    )
    assert f"**{verdict}**" in text
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert verdict in page
    assert page.count('src="data:image/svg+xml') == len(list((tmp_path / "plots").iterdir()))
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(DataError, match="is no file of"):
        load_regime_results(tmp_path)


def test_names_below_a_heat_map_are_turned_only_where_they_need_it(results, monkeypatch):
    turned = []
    real = plots.draw_svg

    def spy(draw, height):
        axes = Figure().add_subplot()
        draw(axes)
        turned.append({label.get_rotation() for label in axes.get_xticklabels()})
        return real(draw, height=height)

    monkeypatch.setattr(plots, "draw_svg", spy)
    answer = answer_all(results, "ndcg@10")[0]
    plots.heat_map(answer, 0)
    monkeypatch.setattr(plots, "MOST_UPRIGHT", 5)
    plots.heat_map(answer, 0)
    assert turned == [{0.0}, {45.0}]


def test_lines_of_the_published_study_have_colours_of_their_own():
    published = load_regime_results(Path("benchmarks/results/study_regimes"))
    assert 7 < len(plots.line_names(published)) <= len(COLOURS) == len(set(COLOURS))
