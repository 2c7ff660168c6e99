import base64
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure
from support.studies import PIXEL, example, load_results, study, variant_result

from windowshop.errors import ConfigError
from windowshop.evaluation.diagnostics import GateWeights
from windowshop.evaluation.metrics import Estimate
from windowshop.study.config import Falsifier
from windowshop.study.report import plots as plots_module
from windowshop.study.report.comparison import summarise
from windowshop.study.report.plots import (
    QUIET,
    all_plots,
    gate_plot,
    learning_curve,
    quality_plot,
)
from windowshop.study.report.sentences import headline, verdict_sentence
from windowshop.study.report.tables import all_tables, main_table, p_text
from windowshop.study.report.write import render_markdown, render_study, write_report
from windowshop.study.results import ExampleProduct, without_thumbnails

pytestmark = pytest.mark.slow

EVIL = '<script>alert("x")</script>'
SVG = "{http://www.w3.org/2000/svg}"
SVG_ADDRESS = "data:image/svg+xml;base64,"
VOID_TAGS = {"meta", "img", "source"}


@pytest.fixture(scope="module")
def summary():
    return summarise(study())


class Page(HTMLParser):
    """Tags and text of a page; refuses tags that do not close in order."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += f"{' '.join(data.split())}|" if data.strip() else ""

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def plots(summary):
    return all_plots(study(), summary)


@pytest.fixture(scope="module")
def page(summary, plots):
    return Page(render_study(summary, all_tables(study(), summary), plots))


def page_of(results):
    found = summarise(results)
    shown = found.shown
    return Page(render_study(found, all_tables(shown, found), all_plots(shown, found)))


def thumbnails(page):
    sources = [image["src"] for image in page.all("img")]
    return [source for source in sources if not source.startswith(SVG_ADDRESS)]


def svg_text(plot):
    return [node.text for node in ET.fromstring(plot.svg).iter(f"{SVG}text")]


def test_main_table_says_the_figures(summary):
    table = main_table(study(), summary)
    rows = {row[0]: dict(zip(table.head, row, strict=True)) for row in table.rows}
    mean = summary.means["text_only"]["ndcg@10"]
    gain = summary.main["text_only"].comparison
    row = rows["text_only"]
    half = (mean.high - mean.low) / 2
    assert row["nDCG@10"] == f"{mean.mean:.3f}"[1:] + " ±" + f"{half:.3f}"[1:]
    assert row["Δ nDCG@10"].startswith("-" + f"{-gain.difference.mean:.3f}"[1:] + " [-.0")
    assert row["Δ nDCG@10"].endswith("] ▼")
    assert row["detectable"] == f"{gain.detectable:.3f}"[1:]
    assert row["W/T/L"] == f"{gain.wins}/{gain.ties}/{gain.losses}"
    assert (row["n"], row["seconds"], row["MB"], row["parameters"]) == ("3", "101", "900", "1.23M")
    assert (rows["bm25"]["n"], rows["bm25"]["MB"], rows["bm25"]["parameters"]) == ("1", "–", "0")
    assert "±" in rows["bm25"]["nDCG@10"]  # over queries alone
    assert not rows["one_stage"]["Δ nDCG@10"].endswith(("▲", "▼"))
    assert (rows["experts"]["p"], table.rows[table.marked][0]) == ("–", "experts")


def test_every_table_is_rectangular_and_named_once(summary):
    tables = all_tables(study(), summary)
    assert len({table.title for table in tables}) == len(tables) == 8
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.head)}


def test_slices_mark_what_differs_from_the_reference(summary):
    (table,) = [t for t in all_tables(study(), summary) if t.title == "nDCG@10 by slice"]
    assert table.head == ("variant", "image=missing (n=40)", "visual=True (n=50)")
    rows = {row[0]: row[1:] for row in table.rows}
    assert all(cell.endswith(" ▼") for cell in rows["text_only"])
    assert not any(cell[-1] in "▲▼" for cell in rows["experts"])


def test_diagnostics_are_averaged_over_seeds():
    variant = variant_result("experts")
    seeds = [
        replace(
            seed,
            diagnostics=replace(
                seed.diagnostics,
                modality_gap=gap,
                gates=(
                    GateWeights(category="Shoes", num_products=5, text=w, image=1 - w, both=0.0),
                ),
            ),
        )
        for seed, gap, w in zip(variant.seeds, (0.1, 0.2, 0.6), (0.2, 0.4, 0.9), strict=True)
    ]
    results = study(variants=(replace(variant, seeds=tuple(seeds)),), falsifiers=())
    tables = {t.title: t for t in all_tables(results, summarise(results))}
    assert tables["Geometry of the vectors"].rows[0][:2] == ("experts", "0.30")
    assert tables["Gate weights of experts"].rows == (("Shoes", "5", "0.50", "0.00", "0.50"),)
    matches = tables["Exclusive matches against text-only"]
    assert matches.head[1:5] == ("gained, k=10", "lost, k=10", "shared, k=10", "relevant, k=10")
    assert matches.rows[0][1:5] == ("25", "9", "140", "300")
    unretrieved = tables["Products that no query retrieves"]
    assert unretrieved.head[1] == "all, k=100 (of 120)"
    assert unretrieved.rows[0][1:] == ("30 (25.0%)", "–")


def test_a_study_without_diagnostics_has_fewer_tables_and_plots():
    variant = variant_result("bm25")
    results = study(
        variants=(variant,), reference="bm25", falsifiers=(), examples=(), curves={}, counts={}
    )
    found = summarise(results)
    titles = [table.title for table in all_tables(results, found)]
    assert titles == ["All variants", "nDCG@10 by slice", "Recall@100 by slice"]
    assert [plot.name for plot in all_plots(results, found)] == ["quality"]
    text = page_of(results).text
    assert "Claims" not in text
    assert "Where the variants differ most" not in text


@pytest.mark.parametrize(
    ("p", "text"), [(0.00009, "<.0001"), (0.0004, ".0004"), (0.0123, ".012"), (1.0, "1.000")]
)
def test_p_values_as_text(p, text):
    assert p_text(p) == text


def test_sentences_give_the_figures(summary):
    sentences = [verdict_sentence(verdict) for verdict in summary.verdicts]
    pattern = (
        r"experts minus text_only is \+\.\d{3} \[\+\.\d{3}, \+\.\d{3}\] nDCG@10 \(60 queries, 3 s"
    )
    assert re.match(pattern, sentences[0])
    margin = r"nDCG@10 \(60 queries, 3 seeds, p <?[\d.]+, margin 0\.01, detectable \.\d{3}\)\.$"
    assert re.search(margin, sentences[1])
    assert sentences[2] == ("experts or absent was not run, or they share fewer than two queries.")


def test_sentences_say_what_limits_an_answer():
    claim = Falsifier(claim="c", better="one_stage", worse="experts", chosen_on="test")
    tested = summarise(study(falsifiers=(claim,))).verdicts[0]
    assert tested.answer == "undecided"
    shown = verdict_sentence(tested)
    assert shown.endswith("). Too small to be seen by this study. Chosen on test.")
    alone = verdict_sentence(replace(tested, num_seeds=(1, 1)))
    assert ", 1 seed, p " in alone
    assert "One seed: over queries alone." in alone
    sized = replace(tested.tested.comparison, difference=Estimate(0.02, -0.01, 0.05, 60))
    large = replace(tested, tested=replace(tested.tested, comparison=sized))
    assert "Not significant after the correction." in verdict_sentence(large)


def test_the_verdict_says_what_the_tests_decide(summary):
    """bm25, text_only and the shuffled images are below; the other two are too near."""
    sentence = headline(summary)
    assert sentence == (
        "By nDCG@10 on 60 test queries (3 seeds), experts is better than bm25, text_only and "
        "shuffled_photos and not to be told from concat_linear and one_stage by this study."
    )
    assert f"{sentence}|" in page_of(study()).text
    worst = study(reference="bm25")
    assert "(one seed, so over queries alone), bm25 is worse than all 5 other variants." in (
        headline(summarise(worst))
    )
    alone = study(variants=(variant_result("experts"),))
    assert headline(summarise(alone)).startswith("Nothing can be said of experts")


def test_variants_that_score_alike_are_one_row(summary):
    """A repeat is neither shown nor tested twice; a note names it, and claims still find it."""
    repeat = replace(variant_result("text_only"), name="again")
    claim = Falsifier(claim="c", better="experts", worse="again")
    fewer = replace(repeat, name="fewer", seeds=repeat.seeds[:2])
    results = study(variants=(*study().variants, repeat, fewer), falsifiers=(claim,))
    found = summarise(results)
    assert "again" not in found.main
    assert "fewer" in found.main
    shown = [v.name for v in found.shown.variants]
    assert shown == [*(v.name for v in study().variants), "fewer"]
    for table in all_tables(found.shown, found):
        assert len({row[1:] for row in table.rows if row[0] in ("text_only", "again")}) <= 1
    assert found.shown.notes[-1].startswith("again: scored as text_only ")
    assert found.verdicts[0].answer == "holds"
    before = {name: item.p_holm for name, item in summary.main.items()}
    without = summarise(study(variants=(*study().variants, repeat)))
    assert {name: item.p_holm for name, item in without.main.items()} == before
    as_reference = summarise(study(variants=(*study().variants, repeat), reference="again"))
    assert "again" in [v.name for v in as_reference.shown.variants]
    assert "text_only" not in as_reference.main


def test_a_variant_has_one_colour_in_every_plot(monkeypatch):
    drawn = {}
    real = plots_module.draw_svg

    def spy(draw, height=3.6):
        figure = Figure()
        axes = figure.add_subplot()
        draw(axes)
        drawn[len(drawn)] = axes
        return real(draw, height)

    monkeypatch.setattr(plots_module, "draw_svg", spy)
    results = study()
    summary = summarise(results)
    names = [plot.name for plot in all_plots(results, summary)]
    by_name = dict(zip(names, drawn.values(), strict=True))
    rows = [text.get_text() for text in by_name["quality"].get_yticklabels()]
    points = [x for x in by_name["quality"].get_lines() if len(x.get_xdata()) == 1]
    colours = {rows[int(x.get_ydata()[0])]: x.get_color() for x in points}
    lines = [
        (line.get_label(), line.get_color())
        for name in ("missing_images", "sparse_text", "learning_curves")
        for line in by_name[name].get_lines()
    ]
    assert {name for name, _ in lines} == {v.name for v in results.variants} - {"bm25"}
    assert all(colours[name] == colour for name, colour in lines)
    assert len({colour for _, colour in lines}) == len({name for name, _ in lines})
    assert colours["bm25"] == QUIET  # drawn as a line nowhere


def test_plots_are_the_same_bytes_each_time(plots):
    first, second = plots, all_plots(study(), summarise(study()))
    names = ["quality", "missing_images", "sparse_text", "gate_weights", "learning_curves"]
    assert [plot.name for plot in first] == names
    assert [plot.svg for plot in first] == [plot.svg for plot in second]
    assert not any("dc:date" in plot.svg for plot in first)


def test_variants_are_sorted_by_quality(summary):
    plot = quality_plot(study(), summary)
    means = {name: found["ndcg@10"].mean for name, found in summary.means.items()}
    names = [text for text in svg_text(plot) if text in means]
    assert names == sorted(means, key=means.get)  # from the bottom up
    assert plot.summary.startswith("nDCG@10 by variant, best first: ")
    assert re.findall(r"(\w+) 0\.\d", plot.summary) == names[::-1]
    assert {"reference", "baseline", "fusion", "ablation", "control"} <= set(svg_text(plot))


def test_gates_are_sorted_by_the_images_weight():
    names = [text for text in svg_text(gate_plot(study())) if "(" in text]
    assert names == ["Tools <b> (30)", "(all) (90)", "Shoes (60)"]  # from the bottom up


def test_the_page_shows_each_plot_as_it_is_in_its_folder(page, plots):
    drawn = [image for image in page.all("img") if image["src"].startswith(SVG_ADDRESS)]
    assert [image["alt"] for image in drawn] == [plot.summary for plot in plots]
    found = [base64.b64decode(image["src"].removeprefix(SVG_ADDRESS)) for image in drawn]
    assert [svg.decode() for svg in found] == [plot.svg for plot in plots]


def test_learning_curve_joins_the_stages():
    curve = learning_curve(variant_result("experts"))
    # "separate" ends at step 100, where "fused" starts: the mean of both checks.
    assert [step for step, _ in curve] == [0, 50, 100, 150, 200]
    assert [value for _, value in curve] == pytest.approx([0.3, 0.35, 0.4, 0.45, 0.5])


def test_a_learning_curve_has_the_chosen_mix_of_a_stage_that_trains_encoders():
    """Such a stage has a check for each share at its last step; the next may have its name."""
    checks = [("fused", 0, 0.1), ("fused", 40, 0.2), ("fused", 60, 0.9), ("fused", 60, 0.3)]
    checks += [("fused", 0, 0.3), ("fused", 20, 0.4)]
    history = [{"stage": s, "step": step, "ndcg@10": value} for s, step, value in checks]
    history[2] |= {"share": 0.0, "chosen": False}
    history[3] |= {"share": 1.0, "chosen": True}
    variant = variant_result("experts")
    seed = replace(variant.seeds[0], history=tuple(history))
    curve = learning_curve(replace(variant, seeds=(seed,)))
    assert curve == [(0, 0.1), (40, 0.2), (100, 0.3), (120, 0.4)]


def test_odd_names_are_drawn_as_they_are():
    odd = replace(variant_result("experts"), name="a$b$ & <c> 靴")
    results = study(variants=(odd,), reference=odd.name)
    plot = quality_plot(results, summarise(results))
    assert "a$b$ & <c> 靴" in svg_text(plot)


def test_page_shows_claims_tables_plots_and_examples(page):
    for shown in ("Study on a made-up shop", "1,200 products", "Seeing helps", "holds", "grade 3"):
        assert f"{shown}|" in page.text
    assert "not judged|" in page.text
    assert len(page.all("table")) == 8
    assert thumbnails(page) == [PIXEL, PIXEL]
    assert page.text.count("no image|") == 4


def test_page_stands_alone(page):
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "iframe", "object", "image"}
    for _, attrs in page.tags:
        for key, value in attrs.items():
            if key in ("src", "href", "xlink:href"):
                assert value.startswith(("#", "data:image/jpeg;base64,", SVG_ADDRESS))


def test_ids_are_unique_and_references_meet_them(page):
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    references = {
        reference
        for _, attrs in page.tags
        for value in attrs.values()
        for reference in re.findall(r"^#(.+)|url\(#([^)]+)\)", value or "")
    }
    wanted = {name for pair in references for name in pair if name}
    assert wanted
    assert wanted <= set(ids)


def test_page_is_accessible(page):
    assert page.all("html")[0]["lang"] == "en"
    assert all(attrs["alt"] for attrs in page.all("img"))
    assert {attrs["scope"] for attrs in page.all("th")} == {"col", "row"}
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))


def test_the_contents_lead_to_every_part(page):
    targets = [a["href"].removeprefix("#") for a in page.all("a")]
    assert len(targets) == len(set(targets)) == 5 + 5 + 1 + 8
    assert set(targets) <= {attrs["id"] for _, attrs in page.tags if "id" in attrs}


@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_wider_than_the_screen(browser, tmp_path, width, plots):
    write_report(study(), tmp_path)
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto((tmp_path / "report.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((part) => part.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    shown = page.eval_on_selector_all(
        ".plot img",
        "all => Promise.all(all.map((x) => x.decode().then(() => [x.currentSrc, x.naturalWidth])))",
    )
    wanted = [plot.narrow if width == 390 else plot.svg for plot in plots]
    found = [base64.b64decode(address.removeprefix(SVG_ADDRESS)).decode() for address, _ in shown]
    assert found == wanted
    if width == 390:
        assert all(wide < 390 for _, wide in shown)
        cut = ".scroll, .plot"
        assert not page.eval_on_selector_all(cut, "all => all.some(x => x.scrollWidth > 390)")
        row = page.locator("#tables-1 tbody tr").first
        assert row.get_by_role("cell").count() == row.locator("td").count() > 5
    page.close()


def test_a_closed_table_opens_from_the_contents(browser, tmp_path):
    write_report(study(), tmp_path)
    page = browser.new_page(viewport={"width": 1400, "height": 800})
    page.goto((tmp_path / "report.html").as_uri())
    assert not page.locator("#tables-3").is_visible()
    page.locator("nav a[href='#tables-3']").click()
    page.locator("#tables-3").wait_for(state="visible")
    page.close()


def test_every_text_is_escaped():
    variant = replace(variant_result("experts"), name=EVIL, note=EVIL, group=EVIL)
    shown = {EVIL: (ExampleProduct(title=EVIL, image=EVIL, grade=1, rank=1),)}
    results = study(
        variants=(variant,),
        reference=EVIL,
        data=EVIL,
        counts={EVIL: 1},
        environment={EVIL: EVIL},
        settings={EVIL: EVIL},
        examples=(replace(example(EVIL), kind=EVIL, columns=shown),),
    )
    page = page_of(results)
    assert not page.all("script")
    assert page.text.count(EVIL) > 10
    assert thumbnails(page) == []  # none of ours


def test_markdown_tables_hold_together(summary, plots):
    results = study()
    text = render_markdown(summary, all_tables(results, summary), plots)
    assert "- **Seeing helps**: holds. experts minus text_only is +." in text
    assert "- **Not run**: not tested." in text
    assert "(plots/quality.svg)" in text
    assert "| Tools \\<b\\> |" in text
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1


def test_report_folder(tmp_path):
    summary = write_report(study(), tmp_path / "report")
    assert [verdict.falsifier for verdict in summary.verdicts] == list(study().falsifiers)
    page = tmp_path / "report" / "report.html"
    names = {str(p.relative_to(tmp_path / "report")) for p in (tmp_path / "report").rglob("*.*")}
    stems = ("quality", "missing_images", "sparse_text", "gate_weights", "learning_curves")
    files = {"report.html", "report.md", "results.json", "per_query.parquet"}
    files |= {"unretrieved.parquet"}
    assert names == files | {f"plots/{stem}.svg" for stem in stems}
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert load_results(tmp_path / "report") == study()
    assert "<b>a</b> is left out." in Page(page.read_text(encoding="utf-8")).text
    markdown = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "## To be known\n\n- \\<b\\>a\\</b\\> is left out." in markdown


def test_report_without_images_holds_none(tmp_path):
    write_report(study(examples=without_thumbnails(study().examples)), tmp_path)
    for path in tmp_path.rglob("*.*"):
        assert PIXEL.encode() not in path.read_bytes()
    shown = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert thumbnails(shown) == []
    assert "Boot 1 of experts|" in shown.text
    assert "no image|" not in shown.text


def test_a_folder_that_cannot_be_made_is_a_named_error(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match="Choose another folder"):
        write_report(study(), tmp_path / "taken")
