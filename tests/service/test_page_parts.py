"""The page in a browser: certainty, inference, learned order, variety, spelling as typed."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from support.browsing import after, answer, ask, settled

RULES = (Path(__file__).parents[1] / "support" / "page_rules.js").read_text(encoding="utf-8")
GUESS = {
    "name": "category: Footwear > Shoes",
    "text": "Footwear > Shoes",
    "action": "boost",
    "certainty": 0.83,
    "reason": "meant by 83% of such searches",
    "kind": "inferred",
}
REASONS = [
    {"feature": "channels: words rank", "value": 1.0, "points": 0.34},
    {"feature": "recognised: colour match", "value": -1.0, "points": -0.2},
    {"feature": "columns: price among candidates", "value": 0.4, "points": 0.1},
]
PLACE = {"place_before": 7, "score": 1.5, "mix": 2.0, "reasons": REASONS}


@pytest.fixture
def open_tuned(open_page):
    """Opens the page of a shop that says that it has a classifier and a ranker."""

    def told(route):
        body = route.fetch().json()
        if route.request.url.endswith("/info"):
            body |= {"learned": ["classifier", "ranker"]}
        else:
            asked = route.request.post_data_json
            body |= {"ranked": asked["ranker"]}
            if asked["infer"]:
                body["recognised"].append(
                    GUESS | {"action": asked["choices"].get(GUESS["name"], "boost")}
                )
            for result in body["results"]:
                if result["explanation"] and asked["ranker"]:
                    result["explanation"] |= {"ranker": PLACE, "diversified_from": 9}
        route.fulfill(body=json.dumps(body), content_type="application/json")

    def open_at(query="", **options):
        page = open_page("", **options)
        settled(page)
        page.route("**/info", told)
        page.route("**/search", told)
        page.goto(page.url.split("?")[0] + "workbench" + query)
        settled(page)
        return page

    return open_at


def broken_rules(page):
    found = page.evaluate(RULES.partition("\n")[2])
    return {rule: nodes for rule, nodes in found.items() if nodes}


def overflowing(page):
    """Texts of the explanation and the notes that are wider than their place."""
    return page.eval_on_selector_all(
        ".why dt, .why dd, .why th, .why td, .note, .part, .sheet label",
        "all => all.filter(x => x.checkVisibility() && x.scrollWidth > x.clientWidth + 1)"
        ".map(x => x.outerHTML)",
    )


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("query", ["zxqv wfjk", "red shoe under 5"])
def test_nothing_certain_is_said_before_the_closest(open_page, page_address, query, width):
    page = open_page("?q=" + quote(query), viewport={"width": width, "height": 900})
    ids = settled(page)
    found = answer(page_address, text=query)
    assert found["certainty"]["found"] == "closest"
    note = page.locator("#notes .closest")
    assert note.locator("strong").inner_text() == found["certainty"]["text"]
    assert note.locator("> .quietly").inner_text() == "Closest to your search:"
    assert ids == [result["product_id"] for result in found["results"]]
    above = note.bounding_box()
    first = page.locator("#cards .card").first.bounding_box()
    assert above["y"] + above["height"] <= first["y"]
    assert overflowing(page) == []
    assert broken_rules(page) == {}


@pytest.mark.parametrize("width", [390, 1400])
def test_what_is_inferred_is_said_and_switched_off(open_tuned, width):
    page = open_tuned("?q=sneaker", viewport={"width": width, "height": 900})
    part = page.locator('.part[data-kind="inferred"]')
    assert "Footwear > Shoes" in part.inner_text()
    assert "likely, 83%" in part.inner_text()
    assert broken_rules(page) == {}
    asked = after(page, lambda: part.locator("select").select_option("off"))
    assert asked["choices"] == {GUESS["name"]: "off"}
    assert part.get_attribute("data-action") == "off"
    page.click("#tools summary")
    asked = after(page, lambda: page.uncheck("text='Guess what is meant and not named'"))
    assert asked["infer"] is False
    assert part.count() == 0
    assert "infer=off" in page.url


@pytest.mark.parametrize("width", [390, 1400])
def test_no_word_of_an_explanation_is_broken(open_page, width):
    page = open_page("workbench?q=red+shoe&explain=1", viewport={"width": width, "height": 900})
    settled(page)
    page.locator(".why summary").first.click()
    lines = page.locator(".why").first.locator("th").evaluate_all(LINES)
    assert set(lines) >= {"Meaning", "Words", "Merged score"}
    assert all(count <= len(name.split()) for name, count in lines.items())
    assert lines["Meaning"] == lines["Words"] == 1


LINES = """all => Object.fromEntries(all.map((node) => {
    const text = document.createRange();
    text.selectNodeContents(node);
    return [node.textContent, text.getClientRects().length];
}))"""


@pytest.mark.parametrize("width", [390, 1400])
def test_the_learned_order_is_explained_and_switched_off(open_tuned, width):
    page = open_tuned("?q=red+shoe&explain=1", viewport={"width": width, "height": 900})
    assert "as learned" in page.inner_text("#measured")
    page.locator(".why summary").first.click()
    why = page.locator(".why").first
    assert why.locator(".ranked p").inner_text() == "Learned order: was #7, −0.50 points"
    assert summands(why.locator(".ranked .sum")) == [
        ("Merged score, standardised", "+2.00"),
        ("Place by words", "+0.34"),
        ("Colour as named", "−0.20"),
        ("Price beside the others", "+0.10"),
        ("All else", "−0.74"),
        ("Learned score", "= 1.50"),
    ]
    assert "Moved from #9 to keep alike products apart" in why.inner_text()
    assert overflowing(page) == []
    assert broken_rules(page) == {}
    page.click("#tools summary")
    asked = after(page, lambda: page.uncheck("text='Order as learned from judgements'"))
    assert asked["ranker"] is False
    assert page.locator(".ranked").count() == 0


def summands(table):
    """Rows of a sum: what adds to it, and how much; then the total."""
    rows = [row.locator("th, td").all_text_contents() for row in table.locator("tr").all()]
    return [(row[0], row[-1]) for row in rows]


@pytest.mark.parametrize("width", [390, 1400])
def test_the_bars_of_a_score_add_up_to_it(open_page, width):
    page = open_page(
        "workbench?q=nike+red+shoe&explain=1", viewport={"width": width, "height": 900}
    )
    settled(page)
    page.locator(".why summary").first.click()
    *parts, (name, total) = summands(page.locator(".why .sum").first)
    assert [part for part, _ in parts][:2] == ["Meaning", "Words"]
    assert any(part.startswith("Preferred for ") for part, _ in parts)
    points = [float(value.replace("−", "-")) for _, value in parts]
    assert name == "Merged score"
    assert sum(points) == pytest.approx(float(total.removeprefix("= ")), abs=0.001 * len(points))
    widths = page.locator(".why .sum i").evaluate_all("all => all.map((bar) => bar.offsetWidth)")
    assert widths[points.index(max(points))] == max(widths[: len(points)])
    assert overflowing(page) == []
    assert broken_rules(page) == {}


def test_variety_is_chosen_in_the_workbench(open_page, page_address):
    page = open_page("workbench?q=shoe")
    before = settled(page)
    page.click("#tools summary")
    asked = after(page, lambda: page.select_option('label:has-text("Variety") select', "brands"))
    assert asked["diversity"] == {"max_per": {"brand": 3}}
    assert "variety=brands" in page.url
    brands = page.locator("#cards .brand").all_text_contents()[:9]
    assert max(map(brands.count, brands)) == 3
    expected = answer(page_address, text="shoe", diversity={"max_per": {"brand": 3}})
    assert settled(page) == [result["product_id"] for result in expected["results"]]
    asked = after(page, lambda: page.select_option('label:has-text("Variety") select', ""))
    assert asked["diversity"] is None
    assert settled(page) == before


def test_a_shop_without_learned_parts_offers_none(open_page):
    page = open_page("workbench")
    settled(page)
    page.click("#tools summary")
    said = page.inner_text("#tools-sheet")
    assert "Apply the shop's rules" in said
    assert "learned" not in said
    assert "Guess" not in said


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_spelling_is_taken_back(open_page, page_address, scheme):
    page = open_page("?q=" + quote("blue shrt"), color_scheme=scheme)
    settled(page)
    corrected = answer(page_address, text="blue shrt")["corrected"]
    assert page.inner_text("#notes .spelling span") == f"Showing results for {corrected}."
    assert broken_rules(page) == {}
    asked = after(page, lambda: page.click("text='Search as typed'"))
    assert (asked["text"], asked["correct"], asked["follow_up"]) == ("blue shrt", False, True)
    assert page.inner_text("#notes .spelling span") == "Searched exactly as typed."
    assert page.evaluate("document.activeElement.dataset.key") == "spelling"
    page.reload()
    settled(page)
    asked = after(page, lambda: page.click("text='Correct the spelling'"))
    assert asked["correct"] is True
    after(page, lambda: page.click("text='Search as typed'"))
    assert ask(page, "blue shirt")["correct"] is True
    assert page.locator(".spelling").count() == 0
