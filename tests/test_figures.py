"""Figures of README and docs: each comes from a file of benchmarks/results and agrees with it."""

import json

import figures
import polars as pl
import pytest
from document_tables import TABLES
from published import Results, estimate, figure, written

from windowshop.errors import DataError

REPORT = """# Study

- **Seeing helps**: holds. fused minus text is +.100 [+.090, +.110] nDCG@10 (5 queries, p \\<.001).
- **Words do**: undecided. a minus b is .000 [-.010, +.010] nDCG@10 on kind=visual (5 \
queries, 3 seeds, p .900, margin 0.1, detectable .014). Too small.

| variant | n | nDCG@10 |
| :-- | --: | --: |
| **fused** | 3 | .900 ±.010 |

| variant | p |
| --- | --- |
| **fused** | .5 |
"""
SCORES = [("a", 0.5), ("b", 1.0)]
PAGE = """# Shop

<!-- table: tiny -->
| old |
<!-- end -->

It has [.100](benchmarks/results/one.json "systems.fused.score"), that is
[+.1 [.0, .2]](benchmarks/results/study/report.md "Seeing helps").
"""


def tiny_table(results):
    """A table of two files."""
    names = ("one.json", "two.json")
    return [["system", "score"], *([n, str(results.at(n, "systems.fused.score"))] for n in names)]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository of one page, one table and three files."""
    monkeypatch.setattr(figures, "TOP", ("README.md",))
    monkeypatch.setitem(TABLES, "tiny", tiny_table)
    write_result(tmp_path, "one.json", 0.9)
    write_result(tmp_path, "two.json", 0.8)
    (tmp_path / "benchmarks/results/study").mkdir()
    (tmp_path / "benchmarks/results/study/report.md").write_text(REPORT, encoding="utf-8")
    (tmp_path / "README.md").write_text(PAGE, encoding="utf-8")
    return tmp_path


def write_result(root, name, score, commit="abc"):
    folder = root / "benchmarks" / "results"
    folder.mkdir(parents=True, exist_ok=True)
    environment = {"commit": commit, "command": "measure it", "cpu": "EPYC"}
    content = {"systems": {"fused": {"score": score}}, "environment": environment}
    (folder / name).write_text(json.dumps(content))


def test_every_figure_of_readme_and_docs_agrees_with_its_file(capsys):
    status = figures.main(["--check"])
    assert capsys.readouterr().out == ""
    assert status == 0


def test_no_result_carries_images_of_a_catalogue():
    folder = figures.ROOT / figures.FOLDER
    texts = [path for path in folder.rglob("*") if path.suffix in (".json", ".md", ".svg")]
    assert texts
    assert [path.name for path in texts if b"data:image/jpeg" in path.read_bytes()] == []


def test_tables_and_figures_are_written_and_then_agree(root, capsys):
    assert figures.main([], root) == 0
    text = (root / "README.md").read_text(encoding="utf-8")
    assert "| one.json | 0.9 |\n| two.json | 0.8 |\n" in text
    assert "[two.json](benchmarks/results/two.json): `measure it`; commit abc, cpu EPYC." in text
    assert '[.900](benchmarks/results/one.json "systems.fused.score")' in text
    assert "[+.1 [+.1, +.1]](benchmarks/results/study/report.md" in text
    assert figures.main(["--check"], root) == 0
    assert capsys.readouterr().out == ""


def test_a_figure_that_differs_is_named_with_place_and_both_values(root, capsys):
    figures.main([], root)
    page = root / "README.md"
    written_text = page.read_text(encoding="utf-8")
    changed = written_text.replace("| two.json | 0.8 |", "| two.json | 0.7 |")
    page.write_text(changed.replace("[.900]", "[.901]"), encoding="utf-8")
    assert figures.main(["--check"], root) == 1
    told = capsys.readouterr().out
    assert "README.md:8: found | two.json | 0.7 |, expected | two.json | 0.8 |" in told
    assert "README.md:14: found It has [.901](" in told
    assert "expected It has [.900](" in told
    assert page.read_text(encoding="utf-8") != written_text


def test_means_are_those_of_the_scores_beside_them(root, capsys):
    figures.main([], root)
    part = {"ndcg@10": {"mean": 0.75}}
    content = {"systems": {"fused": {"all": part, "slices": {"kind=visual": part}}}}
    results = root / "benchmarks" / "results"
    (results / "shop.json").write_text(json.dumps(content))
    rows = [("fused", s, q, "ndcg@10", v) for s in ("all", "kind=visual") for q, v in SCORES]
    names = ["system", "slice", "query_id", "measure", "value"]
    scores = pl.DataFrame(rows, schema=names, orient="row")
    scores.write_parquet(results / "shop.per_query.parquet")
    assert figures.main(["--check"], root) == 0
    visual = pl.col("slice") == "kind=visual"
    changed = scores.with_columns(pl.when(visual).then(0.5).otherwise("value").alias("value"))
    changed.write_parquet(results / "shop.per_query.parquet")
    assert figures.main(["--check"], root) == 1
    told = capsys.readouterr().out
    (results / "shop.json").unlink()
    assert figures.main(["--check"], root) == 1
    assert "scores without shop.json" in capsys.readouterr().out
    assert told == "shop.json: fused, kind=visual, ndcg@10: found 0.75, expected 0.5\n"


def test_means_of_a_report_are_those_of_the_scores_beside_it(root, capsys):
    figures.main([], root)
    rows = [("fused", 0, "all", q, "ndcg@10", v + 0.15) for q, v in SCORES]
    names = ["variant", "seed", "slice", "query_id", "measure", "value"]
    path = root / "benchmarks" / "results" / "study" / "per_query.parquet"
    scores = pl.DataFrame(rows, schema=names, orient="row")
    scores.write_parquet(path)
    assert figures.main(["--check"], root) == 0
    scores.with_columns(pl.col("value") + 0.001).write_parquet(path)
    assert figures.main(["--check"], root) == 1
    assert "study/report.md: fused, ndcg@10: found .900, expected .901" in capsys.readouterr().out


def test_a_table_of_several_commits_is_refused(root, capsys):
    write_result(root, "two.json", 0.8, commit="def")
    assert figures.main(["--check"], root) == 1
    assert "several commits (one.json: abc, two.json: def)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("table: tiny", "table: unknown", "table 'unknown'"),
        ("fused.score", "fused.nothing", "nothing at 'systems.fused.nothing'"),
        ("one.json", "absent.json", "no such file"),
        ("Seeing helps", "Seeing harms", "nothing at 'Seeing harms'"),
    ],
)
def test_what_is_not_there_is_named(root, capsys, old, new, named):
    (root / "README.md").write_text(PAGE.replace(old, new), encoding="utf-8")
    assert figures.main([], root) == 1
    assert named in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("nDCG@10 is .904 there", [".904"]),
        ("nDCG@10 is 0.904.", ["0.904"]),
        ("a gain (+.006 [+.001, +.011])", ["+.006", "+.001", "+.011"]),
        ("a median of 5 ms", ["5 ms"]),
        ("it took 728 s, 30 minutes or 1,024 MB", ["728 s", "30 minutes", "1,024 MB"]),
        ("19% of them", ["19%"]),
        ("214 answers a second", ["214 answers a second"]),
        ("3 times as long", ["3 times"]),
        ("half of it, 3 seeds, 563 queries, 16 clients", []),
        ("`0.85` and arXiv:2603.04836 and Python 3.11 and Apache-2.0", []),
        ("[x](a-0.5.md) and zvec 0.8.0", []),
        ("at most 30 s <!-- settings -->", []),
        ("<!-- settings -->\n\n| a | 5 s |\n| b | .5 |", []),
        ("<!-- settings -->\nat most 5 s\n\nit took 7 s", ["7 s"]),
        ("```\n.904\n```", []),
    ],
)
def test_what_looks_measured_is_found_where_no_file_gives_it(root, line, found):
    page = root / "README.md"
    page.write_text(f"{line}\n", encoding="utf-8")
    assert [problem.found for problem in figures.unfounded(page, root)] == found


@pytest.mark.parametrize(
    ("value", "like", "expected"),
    [
        (0.9042, ".123", ".904"),
        (0.9042, "0.12", "0.90"),
        (1.0, ".123", "1.000"),
        (0.1865, "1%", "19%"),
        (0.1865, ".1%", "18.6%"),
        (1744.4, "1", "1,744"),
        (0.0031, "+.123", "+.003"),
        (-0.0031, "+.123", "-.003"),
        (-0.0001, "+.123", ".000"),
    ],
)
def test_a_number_takes_the_form_of_another(value, like, expected):
    assert written(value, like) == expected


def test_an_estimate_takes_the_form_of_another():
    found = {"mean": -0.0004, "low": -0.003, "high": 0.0123}
    assert figure(found, "+.005 [-.015, +.026]") == ".000 [-.003, +.012]"
    assert figure(found, ".005 [.015, .026]") == ".000 [-.003, .012]"
    assert figure({"mean": 0.5, "low": 0.4, "high": 0.6}, ".12 ±.01") == ".50 ±.10"
    assert figure({"mean": 0.5, "low": 0.4, "high": 0.6}, ".1") == ".5"


def test_a_report_is_read_by_claim_and_by_row_and_column(root):
    results = Results(root / "benchmarks" / "results")
    file = "study/report.md"
    claims = [
        ("Seeing helps", "holds", "fused", "text", "+.100 [+.090, +.110]", "<.001", ""),
        ("Words do", "undecided", "a", "b", ".000 [-.010, +.010]", ".900", ".014"),
    ]
    assert results.claims(file) == claims
    assert results.cell(file, "fused", "p") == ".5"
    assert results.at(file, "fused: nDCG@10") == pytest.approx(
        {"mean": 0.9, "low": 0.89, "high": 0.91}
    )
    with pytest.raises(DataError, match="no row 'text'"):
        results.cell(file, "text", "p")


def test_items_of_a_list_are_found_by_name_or_place(tmp_path):
    (tmp_path / "a.json").write_text('{"variants": [{"name": "x", "seeds": [{"s": 7}]}]}')
    assert Results(tmp_path).at("a.json", "variants.x.seeds.0.s") == 7


def test_the_default_stands_beside_its_baselines_on_the_generated_shop(tmp_path):
    part = {m: {"mean": 0.5, "low": 0.4, "high": 0.6} for m in ("recall@100", "ndcg@10")}
    content = {"fused_minus": {"bm25": {"all": part}}}
    content |= {"systems": {name: {"all": part} for name in ("bm25", "fused")}}
    (tmp_path / "headline_demo.json").write_text(json.dumps(content))
    _, fused, bm25 = TABLES["generated"](Results(tmp_path))
    assert fused == ["**fused**", ".500 ±.100", ".500 ±.100", "–", "–"]
    assert bm25[0] == "BM25"
    assert bm25[3:] == ["+.500 [+.400, +.600]"] * 2


def test_an_estimate_is_read_from_its_text():
    assert estimate("+.1 [-.2, .3]") == {"mean": 0.1, "low": -0.2, "high": 0.3}
    assert estimate("1,204") == {"mean": 1204.0}
