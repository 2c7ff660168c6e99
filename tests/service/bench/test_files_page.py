"""Rules and synonyms in a browser: forms that add, a preview, pins, saving, undoing."""

import pytest
import yaml
from support.browsing import until

RULES, SYNONYMS = '[data-file="rules.yaml"]', '[data-file="synonyms.yaml"]'
SCREENS = [(390, "light"), (390, "dark"), (1400, "light"), (1400, "dark")]


def open_rules(open_page, address, query="red shoe", **options):
    path = f"workbench?do=rules&q={query}"
    page = open_page(path, address, expected=["422"], **options)  # a draft may be wrong
    page.wait_for_selector(".pair .card[data-id]")
    return page


def previewed(page):
    """Ids of the list with the changes, best first."""
    column = page.locator(".pair .column").nth(1)
    return column.locator(".card").evaluate_all("all => all.map((card) => card.dataset.id)")


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_each_state_breaks_no_rule_of_access(open_page, measure_address, violations, width, scheme):
    page = open_rules(
        open_page, measure_address, viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    page.eval_on_selector_all(".adding", "all => all.forEach((node) => (node.open = true))")
    assert violations(page) == {}
    page.fill(f"{RULES} textarea", "rules: 3")
    page.locator(f"{RULES} >> text='Save'").click(timeout=5_000)
    until(lambda: page.inner_text(f"{RULES} > .problem") != "")
    assert violations(page) == {}
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_product_is_pinned_previewed_saved_and_let_go(open_page, measure_address, measured_index):
    page = open_rules(open_page, measure_address)
    before = previewed(page)
    page.locator(".pair .column").nth(1).locator("text='Pin to the top'").nth(4).click()
    until(lambda: previewed(page)[:1] == before[4:5])
    now = page.locator(".pair .column").nth(0).locator(".card").first
    assert now.get_attribute("data-id") == before[0]
    assert not (measured_index / "rules.yaml").exists()
    page.locator(f"{RULES} >> text='Save'").click()
    until(lambda: "Saved" in page.inner_text(f"{RULES} > .summary"))
    (rule,) = yaml.safe_load((measured_index / "rules.yaml").read_text())["rules"]
    assert (rule["queries"], rule["pin"]) == (["red shoe"], [before[4]])
    until(lambda: now.get_attribute("data-id") == before[4])
    page.locator(f"{RULES} >> text='Undo the latest save'").click()
    until(lambda: now.get_attribute("data-id") == before[0])
    assert not (measured_index / "rules.yaml").exists()


def test_forms_add_to_what_the_files_have(open_page, measure_address, measured_index):
    (measured_index / "rules.yaml").write_text("# of the shop\nrules: []\n")
    (measured_index / "synonyms.yaml").write_text(
        "same:\n- [couch, sofa]  # kept\none_way:\n- {query: coat, also: [parka]}\n"
    )
    page = open_rules(open_page, measure_address)
    form = page.locator(f"{RULES} form")
    page.locator(f"{RULES} .adding summary").click()
    for name, queries, where in (("sale", 'shoe, red "x"', 'brand = "Nike"'), ("all", "", "")):
        form.locator("input").nth(0).fill(name)
        form.locator("input").nth(1).fill(queries)
        form.locator("select").select_option("contains")
        form.locator("input").nth(2).fill("" if where else "p7, p8")
        form.locator("input").nth(4).fill(where)
        form.locator("button").click()
    form = page.locator(f"{SYNONYMS} form")
    page.locator(f"{SYNONYMS} .adding summary").click()
    for words, way in (("sneaker, trainer", "same"), ("top, shirt", "one_way"), ("alone", "same")):
        form.locator("input").fill(words)
        form.locator("select").select_option(way)
        form.locator("button").click()
    assert "two words" in form.locator(".problem").inner_text()
    rules = yaml.safe_load(page.input_value(f"{RULES} textarea"))["rules"]
    assert rules == [
        {
            "name": "sale",
            "queries": ["shoe", 'red "x"'],
            "match": "contains",
            "where": 'brand = "Nike"',
            "boost": 2,
        },
        {"name": "all", "match": "contains", "pin": ["p7", "p8"]},
    ]
    assert "# of the shop" in page.input_value(f"{RULES} textarea")
    assert yaml.safe_load(page.input_value(f"{SYNONYMS} textarea")) == {
        "same": [["couch", "sofa"], ["sneaker", "trainer"]],
        "one_way": [
            {"query": "coat", "also": ["parka"]},
            {"query": "top", "also": ["shirt"]},
        ],
    }
    for name in (RULES, SYNONYMS):
        page.locator(f"{name} >> text='Save'").click()
        until(lambda name=name: "Saved" in page.inner_text(f"{name} > .summary"))


def test_a_draft_that_is_wrong_says_where(open_page, measure_address):
    page = open_rules(open_page, measure_address)
    page.fill(f"{RULES} textarea", "rules: [{name: x, where: 'size = 1', boost: 2}]")
    until(lambda: "size" in page.inner_text(".pair-panel > .problem"))
    page.fill(f"{RULES} textarea", "")
    until(lambda: page.inner_text(".pair-panel > .problem") == "")
