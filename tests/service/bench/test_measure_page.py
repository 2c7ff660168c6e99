"""Measuring in a browser: figures of a set, sliders, losers, judging."""

import gzip
import json
import re
import time
import urllib.request
from pathlib import Path

import polars as pl
import pytest
from support.browsing import judged_table, until

import windowshop
from windowshop.search.settings import load_search_settings

STATIC = Path(windowshop.__file__).parent / "service/static"
SCREENS = [(390, "light"), (390, "dark"), (1400, "light"), (1400, "dark")]
WORDS = '[data-path="text.channels.words.weight"]'
HUNDRED = "workbench?do=measure&set=own:hundred"


def measured(page):
    """Wait until a run has ended and is drawn."""
    page.wait_for_selector('.measure[aria-busy="false"] .means td b')


def told_run(address):
    with urllib.request.urlopen(f"{address}workbench/run") as told:
        return json.load(told)["run"]


def open_settings(page):
    knobs = page.locator("details.knobs")
    if not knobs.evaluate("node => node.open"):
        knobs.locator("> summary").click()


def set_words(page, weight):
    open_settings(page)
    field = page.locator(f"{WORDS} input[type=number]")
    field.fill(str(weight))
    field.press("Enter")
    page.wait_for_selector('.means [data-side="difference"]')
    measured(page)


def mean(page, side):
    return page.inner_text(f'.means [data-side="{side}"] [data-measure="ndcg@10"] b')


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_each_state_breaks_no_rule_of_access(open_page, measure_address, violations, width, scheme):
    page = open_page(
        HUNDRED, measure_address, viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    measured(page)
    open_settings(page)
    page.eval_on_selector_all(".knob-group", "all => all.forEach((node) => (node.open = true))")
    page.locator(".adding summary").click()
    assert violations(page) == {}
    set_words(page, 0.9)
    page.locator(".query").first.click()
    page.wait_for_selector(".pair .card[data-id]")
    page.locator(".why summary").first.click()
    assert violations(page) == {}
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_figures_are_those_of_the_run(open_page, measure_address):
    page = open_page(HUNDRED, measure_address)
    measured(page)
    figures = told_run(measure_address)["figures"]
    assert mean(page, 0) == f"{figures['sides'][0]['ndcg@10']['mean']:.3f}".removeprefix("0")
    assert page.locator('.means [data-side="1"]').count() == 0
    set_words(page, 0.01)
    figures = told_run(measure_address)["figures"]
    shown = [f"{side['ndcg@10']['mean']:.3f}".removeprefix("0") for side in figures["sides"]]
    assert [mean(page, 0), mean(page, 1)] == shown
    difference = figures["difference"]["ndcg@10"]
    assert page.inner_text('[data-view="losses"]') == f"Lost ({difference['losses']})"
    assert page.inner_text('[data-view="wins"]') == f"Won ({difference['wins']})"
    assert f"{difference['wins']} won, {difference['losses']} lost" in page.inner_text("#verdict")
    changes = {
        row["text"]: row["sides"][1]["ndcg@10"] - row["sides"][0]["ndcg@10"]
        for row in figures["queries"]
    }
    worst = sorted(changes, key=changes.get)[:3]
    listed = page.locator(".query").all_text_contents()[:3]
    assert changes[worst[2]] < 0
    assert [changes[text] for text in listed] == pytest.approx([changes[text] for text in worst])
    with page.expect_download() as kept:
        page.click("text='Download (csv)'")
    table = pl.read_csv(kept.value.path())
    assert table["query"].to_list() == [row["text"] for row in figures["queries"]]
    expected = [row["sides"][1]["ndcg@10"] for row in figures["queries"]]
    assert table["ndcg@10 right"].to_list() == pytest.approx(expected)
    page.locator("text='Back to what is served'").click()
    until(lambda: page.locator('.means [data-side="1"]').count() == 0)


def test_judging_in_the_two_lists_changes_the_figures(open_page, measure_address):
    page = open_page("workbench?do=measure", measure_address)
    page.locator(".adding summary").click()
    page.locator(".adding textarea").fill("red nike shoe\nblue puma shirt")
    page.locator(".adding button").click()
    until(lambda: "No query of this set is judged" in page.inner_text("#verdict"))
    page.locator('[data-view="thin"]').click()
    page.locator(".query").first.click()
    page.wait_for_selector(".pair.judging .card[tabindex='0']")
    for grade in "3201":
        page.keyboard.press(grade)
    assert page.inner_text("#judged") == "4 judged"
    page.keyboard.press("Escape")  # sends the last one
    until(lambda: "1 query" in page.inner_text("#verdict"))
    row = told_run(measure_address)["figures"]["queries"][0]
    assert (row["num_grades"], row["sides"][0]["judged@10"]) == (4, 0.4)


def test_the_arrows_go_between_the_lists_and_a_grade_is_shown_in_both(open_page, measure_address):
    page = open_page(HUNDRED, measure_address)
    measured(page)
    set_words(page, 0.9)
    page.locator('[data-view="all"]').click()
    page.locator(".query").nth(4).click()
    page.wait_for_selector(".pair.judging .card:focus")
    side = "document.activeElement.closest('.column').getAttribute('aria-labelledby')"
    page.locator(".pair .card").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(side) == "pair-1"
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(side) == "pair-0"
    ids = [
        set(column.locator(".card").evaluate_all("all => all.map(x => x.dataset.id)"))
        for column in page.locator(".pair .column").all()
    ]
    shared = sorted(ids[0] & ids[1])[0]
    cards = page.locator(f'.pair .card[data-id="{shared}"]')
    cards.first.focus()
    page.keyboard.press("2")
    assert cards.evaluate_all("all => all.map(x => x.dataset.grade)") == ["2", "2"]


def test_a_snapshot_is_kept_compared_with_and_deleted(open_page, measure_address):
    page = open_page(HUNDRED, measure_address)
    measured(page)
    before = mean(page, 0)
    page.fill(".snapshot input", "monday")
    page.locator(".snapshot button").click()
    until(lambda: "Kept as monday" in page.inner_text(".snapshot"))
    left = page.locator(".measure-side .set-choice").nth(1).locator("select")
    left.select_option(label=left.locator("option").last.inner_text())
    page.wait_for_selector('.means [data-side="difference"]')
    assert mean(page, "difference") == "+.000"
    assert page.inner_text("#verdict").startswith("Equal: ")
    assert page.inner_text('.means [data-side="1"] th') == "Right, as served"
    set_words(page, 0.01)
    until(lambda: mean(page, "difference") != "+.000")
    assert mean(page, 0) == before
    assert page.inner_text('.means [data-side="0"] th') == "Left, monday"
    page.locator(".query").first.click()
    page.wait_for_selector(".pair .card[data-id]")
    assert page.locator(".pair .column").count() == 2
    page.locator("text='Delete this snapshot'").click()
    until(lambda: left.locator("option").count() == 2)  # as served, and the other generation
    until(lambda: page.inner_text('.means [data-side="0"] th') == "Left, as served")


def test_judges_of_the_same_pairs_are_compared(open_page, measure_address, violations):
    for judge, given in (("ann", "3201"), ("bob", "3101")):
        for i, grade in enumerate(given):
            body = {"query": f"shoe {i % 2}", "product_id": f"p{i}", "judge": judge}
            data = json.dumps(body | {"grade": int(grade)}).encode()
            head = {"Content-Type": "application/json"}
            asked = urllib.request.Request(f"{measure_address}judgements", data=data, headers=head)
            urllib.request.urlopen(asked).close()
    page = open_page(HUNDRED, measure_address, viewport={"width": 390, "height": 900})
    measured(page)
    page.wait_for_selector(".agreement tbody tr")
    cells = page.locator(".agreement tbody tr > *").all_text_contents()
    assert cells[0] == "ann and bob"
    assert cells[3:] == ["75%", "4", "2"]
    assert violations(page) == {}
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_run_is_cancelled_and_one_of_another_is_told(open_page, measure_address):
    page = open_page(HUNDRED, measure_address, expected=["409"])
    measured(page)
    page.route("**/workbench/run", lambda route: route.fulfill(status=409, json=UNDER_WAY))
    open_settings(page)
    page.locator(f"{WORDS} input[type=range]").press("ArrowRight")
    until(lambda: "A run is under way" in page.inner_text("#run-problem"))
    page.unroute("**/workbench/run")
    page.locator("#run-problem button").click()
    page.wait_for_selector('.means [data-side="difference"]')


def test_a_page_that_is_left_keeps_no_later_one_waiting(open_page, measure_address):
    page = open_page(HUNDRED, measure_address)
    page.wait_for_selector('.measure[aria-busy="true"]')
    page.reload()
    measured(page)
    assert page.inner_text("#run-problem") == ""


UNDER_WAY = {"error": {"code": "run_under_way", "message": "A run is under way."}}


class Counted:
    """A page by which clicks and keys are counted, and the time that was waited."""

    def __init__(self, page):
        self.page, self.num_acts, self.waited = page, 0, 0.0

    def click(self, selector, nth=0):
        self.num_acts += 1
        self.page.locator(selector).nth(nth).click()

    def key(self, key):
        self.num_acts += 1
        self.page.keyboard.press(key)

    def paste(self, selector, text):
        self.num_acts += 1
        self.page.fill(selector, text)

    def wait(self, happened):
        begun = time.monotonic()
        until(happened, 60)
        self.waited += time.monotonic() - begun


def test_a_setting_is_judged_and_saved_in_few_steps(open_page, measure_address, measured_index):
    page = open_page("workbench?do=measure", measure_address)
    by = Counted(page)
    by.click(".adding summary")
    by.paste(".adding textarea", judged_table(100))
    by.click(".adding button")  # the hundred queries are measured at once
    by.wait(lambda: page.locator(".means td b").count() and "100 judged" in page.inner_text(NOTES))
    before = mean(page, 0)
    by.click(f"{WORDS} input[type=range]")  # lands in the middle of the scale
    by.key("Home")
    by.wait(lambda: page.locator('.means [data-side="difference"]').count())
    by.wait(lambda: mean(page, 1) != before and page.locator('[aria-busy="false"]').count())
    assert page.inner_text('.means [data-side="1"] .interval').count(" to ") == 1
    assert page.inner_text("#verdict").startswith("Worse: nDCG@10 −")
    by.click('[data-view="losses"]')
    losers = page.locator(".query").all_text_contents()[:3]
    rows = {row["text"]: row["sides"] for row in told_run(measure_address)["figures"]["queries"]}
    lost = [rows[text][0]["ndcg@10"] - rows[text][1]["ndcg@10"] for text in losers]
    assert lost == sorted(lost, reverse=True)
    assert lost[2] > 0
    by.click(".query", 0)
    by.wait(lambda: page.locator(".pair.judging .card:focus").count())
    for grade in "01012":
        by.key(grade)
    by.key("Escape")
    given = f"{measure_address}judgements"
    wanted = {"query": losers[0], "judge": ""}
    by.wait(lambda: len(page.request.get(given, params=wanted).json()["judgements"]) == 5)
    by.click("text='Save as search.yaml'")
    by.wait(lambda: "Saved" in page.inner_text("#saving-note"))
    until(lambda: page.locator('.measure[aria-busy="false"]').count())
    assert by.num_acts < 20
    assert by.waited < 60
    (path,) = measured_index.glob("generations/*/search.yaml")
    weights = {c.name: c.weight for c in load_search_settings(path.parent).text.channels}
    assert weights["words"] == 0
    page.locator("text='Undo the latest save'").click()
    until(lambda: not path.exists())
    until(lambda: page.input_value(f"{WORDS} input[type=number]") == "0.12")


NOTES = "#run-notes"


def test_the_scripts_stay_small():
    files = sorted(STATIC.glob("js/**/*.js"))
    assert len(files) > 20
    total = sum(len(gzip.compress(path.read_bytes(), 9)) for path in files)
    assert total < 80_000


def test_a_key_that_may_not_write_is_told_so(open_page, measure_address):
    page = open_page("", measure_address, expected=["403"])
    page.route("**/info", lambda route: read_only(route))
    page.goto(measure_address + "workbench?do=measure")
    page.wait_for_selector(".fault")
    assert re.search("needs a key that may write", page.inner_text(".fault p"))


def read_only(route):
    route.fulfill(json={**route.fetch().json(), "scopes": ["search"]})
