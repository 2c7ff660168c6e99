"""The page in a browser, on the real service: what a shopper and a judge do."""

import re
from urllib.parse import quote

import pytest
from support.browsing import after, answer, ask, drawn, settled, until
from support.shops import image_bytes

COUNT = re.compile(r"([\d,]+) results?")


def total(page):
    return int(COUNT.search(page.inner_text("#summary")).group(1).replace(",", ""))


def test_a_search_shows_what_the_service_answers(open_page, page_address):
    page = open_page()
    settled(page)
    assert page.inner_text("h1") == "All products"
    asked = ask(page, "red shoe")
    assert (asked["text"], asked["offset"]) == ("red shoe", 0)
    expected = answer(page_address, text="red shoe")
    assert settled(page) == [result["product_id"] for result in expected["results"]]
    assert total(page) == expected["total"]
    assert page.inner_text("#status") == page.inner_text("#summary").split(" · ")[0]
    first, card = expected["results"][0], page.locator("#cards .card").first
    assert card.locator(".title").inner_text() == first["title"]
    assert card.locator(".price").inner_text() == f"{first['price']:.0f}"
    assert page.url.endswith("?q=red+shoe")
    assert page.title() == f"red shoe – {page.inner_text('#home')}"


def test_suggestions_are_walked_by_keyboard(open_page):
    page = open_page()
    settled(page)
    box = page.locator("#query")
    box.press_sequentially("ni")
    page.wait_for_selector("#suggestions:not([hidden])")
    assert box.get_attribute("aria-expanded") == "true"
    assert box.get_attribute("aria-activedescendant") is None
    box.press("ArrowDown")
    option = page.locator(f"#{box.get_attribute('aria-activedescendant')}")
    suggested = [
        o.get_attribute("data-text") for o in page.locator("#suggestions [data-text]").all()
    ]
    assert "Nike" in suggested  # searches of other tests may stand before it
    assert option.get_attribute("aria-selected") == "true"
    assert option.get_attribute("data-text") == suggested[0]
    box.press("Escape")
    assert box.get_attribute("aria-expanded") == "false"
    assert page.is_hidden("#suggestions")
    assert box.input_value() == "ni"
    box.press("ArrowDown")
    page.wait_for_selector("#suggestions:not([hidden])")
    box.press("ArrowUp")
    last = page.locator("#suggestions [role=option]").last
    assert last.get_attribute("aria-selected") == "true"
    box.press("ArrowDown")  # past the last one the typed text counts
    box.press("ArrowDown")
    text = page.locator("#suggestions [role=option]").first.get_attribute("data-text")
    asked = after(page, lambda: box.press("Enter"))
    assert asked["text"] == text == box.input_value()
    assert page.is_hidden("#suggestions")


def test_facets_narrow_and_chips_lift_them_again(open_page, page_address):
    page = open_page("?q=shoe")
    settled(page)
    before = total(page)
    nike = page.locator('.facet[data-column="brand"] .value', has_text="Nike")
    count = int(nike.locator(".count").inner_text())
    asked = after(page, lambda: nike.locator("input").check())
    assert asked["picks"] == {"brand": {"values": ["Nike"]}}
    assert total(page) == count < before
    assert page.evaluate("document.activeElement.dataset.key") == "value:brand:Nike"
    assert set(page.locator("#cards .brand").all_text_contents()) == {"Nike"}
    assert "f.brand=Nike" in page.url
    asked = after(
        page,
        lambda: (
            page.fill('[aria-label="Price from"]', "60")
            or page.press('[aria-label="Price from"]', "Tab")
        ),
    )
    assert asked["picks"]["price"] == {"low": 60}
    prices = [float(text) for text in page.locator("#cards .price").all_text_contents()]
    assert prices
    assert min(prices) >= 60
    page.focus('.chip[data-key="chip:price"]')
    after(page, lambda: page.keyboard.press("Enter"))
    assert total(page) == count
    assert page.evaluate("document.activeElement.id") == "results"
    page.go_back()
    page.wait_for_selector("text='Price: from 60'")
    page.go_back()
    page.go_back()
    until(lambda: page.locator("#chips .chip").count() == 0)
    until(lambda: COUNT.search(page.inner_text("#summary")))  # empty while the answer is awaited
    until(lambda: total(page) == before)


def test_true_and_false_are_picked_as_such(open_page, page_address):
    page = open_page("?q=red+shoe")
    settled(page)
    counted = answer(page_address, text="red shoe", facets=["on_sale"])["facets"][0]
    groups = {value["value"]: value["groups"] for value in counted["values"]}
    assert groups.keys() == {True, False}
    yes = page.locator('.facet[data-column="on_sale"] .value', has_text="Yes")
    assert int(yes.locator(".count").inner_text()) == groups[True]
    asked = after(page, lambda: yes.locator("input").check())
    assert asked["picks"] == {"on_sale": {"values": [True]}}
    assert total(page) == groups[True]
    page.reload()  # the address has it
    settled(page)
    assert yes.locator("input").is_checked()
    assert total(page) == groups[True]
    no = page.locator('.facet[data-column="on_sale"] .value', has_text="No")
    asked = after(page, lambda: no.locator("input").check())
    assert asked["picks"] == {"on_sale": {"values": [True, False]}}
    assert total(page) == groups[True] + groups[False]


def test_a_closed_facet_is_counted_when_it_is_opened(open_page, page_address):
    page = open_page("workbench?q=shoe&mode=words")
    settled(page)
    brand = page.locator('.facet[data-column="brand"]')
    brand.locator("summary").click()
    asked = ask(page, "red shirt")
    assert "brand" not in asked["facets"]
    brand.locator("summary").click()
    brand.locator(".value", has_text="Nike").wait_for()
    told = answer(page_address, text="red shirt", mode="words", facets=["brand"])
    expected = told["facets"][0]
    shown = brand.locator(".count").all_text_contents()
    assert sorted(map(int, shown)) == sorted(value["groups"] for value in expected["values"])


def test_sorting_and_variants(open_page):
    page = open_page("workbench")
    settled(page)
    grouped = total(page)
    assert page.locator(".variants").count() == 0  # the groups are the last products
    asked = after(page, lambda: page.select_option("#sort", "-price"))
    assert asked["sort"] == [{"column": "price", "descending": True}]
    prices = [float(text) for text in page.locator("#cards .price").all_text_contents()]
    assert prices == sorted(prices, reverse=True)
    assert page.locator(".variants").first.inner_text() == "+1 variant"
    asked = after(page, lambda: page.uncheck("#collapse"))
    assert asked["collapse"] is False
    assert (grouped, total(page)) == (125, 130)
    assert page.locator(".variants").count() == 0


def test_more_results_keep_the_place_and_back_returns_to_it(open_page):
    page = open_page("?q=shoe&mode=words")
    first = settled(page)
    page.click("#more-button")
    both = drawn(page, 48)
    assert both[: len(first)] == first
    assert len(set(both)) == 48
    focused = page.evaluate("document.activeElement.closest('.card').dataset.id")
    assert focused == both[24]
    until(lambda: page.evaluate("scrollY") > 0)
    ask(page, "blue shirt")
    page.evaluate("history.back()")  # go_back waits for a page to load, and none is
    assert drawn(page, 48) == both
    until(lambda: page.evaluate("scrollY") > 0)


def test_the_same_question_again_is_told_as_such(open_page):
    page = open_page("workbench?q=shoe&mode=words")
    settled(page)
    sent = []
    page.on("request", lambda asked: asked.url.endswith("/search") and sent.append(asked))

    def told(action):
        """Whether the search that something leads to is written down, and a follow-up."""
        after(page, action)
        body = sent[-1].post_data_json
        return body["log"], body["follow_up"]

    new, again = (True, False), (True, True)
    full_price = page.locator('.facet[data-column="on_sale"] .value', has_text="No")
    assert told(lambda: full_price.locator("input").check()) == again
    assert told(lambda: page.select_option("#sort", "price")) == again
    assert told(lambda: page.click("#more-button")) == again
    assert told(lambda: page.fill("#query", "red") or page.press("#query", "Enter")) == new
    assert told(lambda: page.evaluate("history.back()")) == again
    assert told(page.reload) == again
    category = page.locator('.facet[data-column="category"] summary')
    category.click()
    ask(page, "shirt")
    assert told(category.click)[0] is False  # nobody sees a result of it
    sent.clear()
    page.click("#tools summary")
    page.click("text='Side by side'")
    page.wait_for_selector(".column .mark")
    assert [request.post_data_json["log"] for request in sent] == [False, False]
    page.locator(".column .title a").first.click()  # no click is reported: that would be a 404
    page.wait_for_selector("#detail .product")


def test_what_was_given_up_to_find_anything_is_said(open_page, page_address):
    page = open_page("?q=" + quote("red shoe under 5"))
    ids = settled(page)
    found = answer(page_address, text="red shoe under 5")
    assert found["relaxed"] == ["Without the filter price."]
    assert ids == [result["product_id"] for result in found["results"]] != []
    assert page.inner_text("#notes strong") == found["certainty"]["text"]
    assert page.inner_text("#notes .closest > .quietly") == "Closest to your search:"
    assert page.locator("#notes li").all_text_contents() == ["The price is not what was asked."]
    (dearer, *_) = found["certainty"]["unmet"]["alternatives"]
    assert (
        page.locator("#notes .offer").first.inner_text() == f"{dearer['text']} ({dearer['total']})"
    )
    asked = after(page, lambda: page.locator("#notes .offer").first.click())
    assert asked["choices"] == dearer["choices"]
    until(lambda: page.locator("#notes .offer").count() == 0)
    ask(page, "red shoe under 50")
    until(lambda: page.locator("#notes li").count() == 0)


def drop(page, kind, content):
    """An image that is dropped, or pasted, onto the page."""
    page.evaluate(
        """([kind, bytes]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "a.png", {type: "image/png"}));
          const options = {bubbles: true, cancelable: true};
          const event = kind === "paste"
            ? new ClipboardEvent("paste", {...options, clipboardData: data})
            : new DragEvent("drop", {...options, dataTransfer: data});
          document.body.dispatchEvent(event);
        }""",
        [kind, list(content)],
    )


@pytest.mark.parametrize("way", ["pick", "drop", "paste"])
def test_a_image_searches_alone_and_with_text(open_page, way):
    page = open_page()
    settled(page)
    content = image_bytes(2, size=(40, 40))
    file = {"name": "a.png", "mimeType": "image/png", "buffer": content}
    give = {
        "pick": lambda: page.set_input_files("#photo-file", file),
        "drop": lambda: drop(page, "drop", content),
        "paste": lambda: drop(page, "paste", content),
    }
    after(page, give[way], "/search/image")
    assert page.inner_text("h1") == "Like your photo"
    page.fill("#query", "shirt")
    after(page, lambda: page.press("#query", "Enter"), "/search/image")
    assert page.inner_text("h1") == "Like your photo: shirt"
    page.reload()
    page.wait_for_selector(".token img")  # it lives as long as the tab
    settled(page)
    asked = after(page, lambda: page.click('[aria-label="Remove the photo"]'))
    assert (asked["text"], page.locator(".token").count()) == ("shirt", 0)


def test_what_was_recognised_can_be_switched(open_page, page_address):
    page = open_page("workbench?q=" + quote("nike red shoe"))
    settled(page)
    recognised = answer(page_address, text="nike red shoe")["recognised"]
    parts = page.locator(".part")
    assert [part.get_attribute("data-name") for part in parts.all()] == [
        part["name"] for part in recognised
    ]
    name = "brand: Nike"
    part = page.locator(f'.part[data-name="{name}"]')
    select = part.locator("select")
    assert select.input_value() == next(x["action"] for x in recognised if x["name"] == name)
    for action in ("filter", "off", "boost"):
        if select.input_value() == action:
            continue
        asked = after(page, lambda action=action: select.select_option(action))
        assert asked["choices"] == {name: action}
        assert part.get_attribute("data-action") == action
        if action == "filter":
            assert set(page.locator("#cards .brand").all_text_contents()) == {"Nike"}
    assert ask(page, "nike blue shoe")["choices"] == {}


def test_a_shopper_takes_back_what_was_recognised(open_page):
    page = open_page("?q=" + quote("nike red shoe"))
    settled(page)
    part = page.locator('.part[data-name="brand: Nike"]')
    assert (part.inner_text(), part.get_attribute("aria-pressed")) == ("Nike", "true")
    asked = after(page, part.click)
    assert asked["choices"] == {"brand: Nike": "off"}
    assert part.get_attribute("aria-pressed") == "false"
    assert after(page, part.click)["choices"]["brand: Nike"] in ("filter", "boost")


BENCH = "#tools, #measured, #compare, #judge-bar, #collapse, .why, .part select"


def test_shoppers_see_nothing_of_the_workbench(open_page):
    page = open_page("?q=nike+red+shoe&explain=1&view=compare&mode=words&where=price+%3C+50")
    scripts = page.evaluate("performance.getEntriesByType('resource').map(x => x.name)")
    ids = settled(page)
    assert ids
    assert page.locator(BENCH).count() == 0
    page.focus("#results")
    page.keyboard.press("j")
    assert page.locator(".judging").count() == 0
    assert not [
        name for name in scripts if re.search("workbench|judge|compare|explain|bench", name)
    ]
    page.goto(page.url.partition("?")[0] + "workbench?q=nike+red+shoe&explain=1")
    settled(page)
    assert page.locator(BENCH).count() > 5
    page.click("text='Shop'")
    settled(page)
    assert page.locator(BENCH).count() == 0


def test_a_correction_is_said(open_page, page_address):
    page = open_page("?q=" + quote("blue shrt"))
    settled(page)
    corrected = answer(page_address, text="blue shrt")["corrected"]
    assert page.inner_text("#notes .spelling span") == f"Showing results for {corrected}."


def test_similar_products_are_the_services(open_page, page_address):
    page = open_page("?q=red+shoe")
    first = settled(page)[0]
    title = page.locator("#cards .title").first.inner_text()
    asked = after(page, lambda: page.locator("#cards .like").first.click())
    assert (asked["similar_to"], asked["text"]) == (first, None)
    assert page.inner_text("h1") == f"Similar to {title}"
    expected = answer(page_address, similar_to=first)
    assert settled(page) == [result["product_id"] for result in expected["results"]]
    page.reload()
    settled(page)
    assert page.inner_text("#asked-by .what") == title  # the reference stays in sight
    after(page, lambda: page.get_by_role("button", name=f"No more like {title}").click())
    assert page.inner_text("h1") == "All products"
    assert page.locator("#asked-by > *").count() == 0


def test_a_product_opens_is_reported_and_closes_by_back(open_page):
    page = open_page("?q=blue+shirt")
    ids = settled(page)
    link = page.locator("#cards .title a").nth(2)
    with page.expect_response("**/feedback") as told:
        link.click()
    click = told.value.request.post_data_json
    assert told.value.ok
    assert (click["product_id"], click["position"], click["event"]) == (ids[2], 3, "click")
    page.wait_for_selector("#detail .alike .card")
    facts = page.locator("#detail .facts")
    assert page.inner_text("#detail-title") == link.text_content()
    assert ids[2] not in facts.inner_text()  # nor its group: neither is for people
    assert "colour" in facts.inner_text().lower()
    assert f"product={ids[2]}" in page.url
    page.keyboard.press("Escape")
    until(lambda: "product=" not in page.evaluate("location.search"))
    assert page.evaluate("document.activeElement.textContent") == link.text_content()
    page.go_forward()
    page.wait_for_selector("#detail[open] .product")
    page.reload()
    page.wait_for_selector("#detail[open] .product")
    page.click("#detail-close")
    until(lambda: page.is_hidden("#detail"))


def test_side_by_side_marks_what_differs(open_page, page_address):
    page = open_page("workbench?q=red+shoe")
    settled(page)
    page.click("#tools summary")
    page.click("text='Side by side'")
    page.wait_for_selector(".column .mark")
    page.locator(".column").nth(1).locator("select").first.select_option("words")
    left, right = (
        [x["fields"]["group_id"] for x in answer(page_address, text="red shoe", **side)["results"]]
        for side in ({"mode": "hybrid"}, {"mode": "words", "generation": "g1"})
    )
    both = len(set(left) & set(right))
    said = f"{both} on both sides, {len(left) - both} only left, {len(right) - both} only right."
    until(lambda: page.inner_text("#verdict").endswith(said))
    marks = page.locator(".column").first.locator(".mark .change").all_text_contents()
    assert marks == [mark_of(group, i, right) for i, group in enumerate(left)]
    assert len(set(marks)) > 1
    assert (
        page.locator(".column").first.locator("select").count() == 3
    )  # variety and generation too


def mark_of(group, place, others):
    if group not in others:
        return "◆ only here"
    up = others.index(group) - place
    return "= same place" if not up else f"▲ {up} higher here" if up > 0 else f"▼ {-up} lower here"


def test_explanations_say_what_the_service_says(open_page, page_address):
    page = open_page("workbench?q=nike+red+shoe&explain=1")
    settled(page)
    best = answer(page_address, text="nike red shoe", explain=True)["results"][0]["explanation"]
    page.locator(".why summary").first.click()
    said = page.locator(".why").first.inner_text()
    for place in best["channels"]:
        assert place["rank"] is None or f"#{place['rank']}" in said
    for name in best["boosted_by"]:
        assert f"Preferred for {name[0].upper()}{name[1:]}" in said
    assert "Answered in" in page.inner_text("#measured")
    assert "Retrieve" in page.inner_text("#measured")
