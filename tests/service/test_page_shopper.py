"""The page in a browser: what a shopper meets on the way to a product."""

import re
import time

import pytest
from support.browsing import after, answer, settled, until

SHIFT = """() => new Promise((done) => {
  new PerformanceObserver((list) => done(list.getEntries().reduce((sum, x) => sum + x.value, 0)))
    .observe({type: "layout-shift", buffered: true});
  setTimeout(() => done(0), 300);
})"""
COUNT_SHIFTS = """() => {
  window.shifts = 0;
  new PerformanceObserver((list) => {
    for (const x of list.getEntries()) window.shifts += x.value;
  }).observe({type: "layout-shift"});
}"""
AXE_STATES = {
    "list": "?q=red+shoe",
    "filtered": "?q=shoe&f.brand=Nike&r.price=20..100",
    "product": "?q=red+shoe&product=p121",
    "colours": "?r.price=130..140",
    "nothing": "?q=shoe&r.price=9998..9999",
    "workbench": "workbench?q=red+shoe&explain=1",
    "side by side": "workbench?q=red+shoe&view=compare&b.mode=words",
}


def searches(page):
    """Bodies of the searches that the page sends from now on."""
    sent = []
    page.on("request", lambda r: r.url.endswith("/search") and sent.append(r.post_data_json))
    return sent


def test_results_come_as_one_types_and_only_what_stands_is_written_down(open_page, page_address):
    page = open_page()
    settled(page)
    sent = searches(page)
    page.clock.install()
    page.clock.pause_at(time.time() + 60)  # a loaded machine types slowly
    for letter in "red shoe":
        page.locator("#query").press_sequentially(letter)
        page.clock.run_for(200)  # less than a text has to stand
    until(lambda: page.evaluate("true") and sent and sent[-1]["text"] == "red shoe")
    until(lambda: page.inner_text("h1") == "red shoe")
    expected = [x["product_id"] for x in answer(page_address, text="red shoe")["results"]]
    until(lambda: settled(page) == expected)
    assert not any(body["log"] for body in sent)
    assert page.evaluate("document.activeElement.id") == "query"
    page.clock.run_for(1500)
    until(lambda: page.evaluate("true") and sent[-1]["log"])
    assert sent[-1]["text"] == "red shoe"
    assert sum(body["log"] for body in sent) == 1
    page.keyboard.press("Escape")
    with page.expect_response("**/feedback") as told:
        page.locator("#cards .title a").first.click()
    assert told.value.ok
    page.wait_for_selector("#detail[open]")
    page.keyboard.press("Escape")
    until(lambda: "product=" not in page.evaluate("location.search"))
    page.go_back()
    until(lambda: page.inner_text("h1") == "All products")  # one step for all that was typed


def test_a_word_that_is_begun_is_searched_for_as_what_it_becomes(open_page, page_address):
    page = open_page()
    settled(page)
    sent = searches(page)
    page.locator("#query").press_sequentially("Foo")
    until(lambda: page.inner_text("h1") == "Footwear")
    assert page.input_value("#query") == "Foo"
    expected = [x["product_id"] for x in answer(page_address, text="Footwear")["results"]]
    until(lambda: settled(page) == expected)
    after(page, lambda: page.keyboard.press("Enter"))  # as typed, where that is meant
    assert page.inner_text("h1") == "Foo"
    assert (sent[-1]["text"], sent[-1]["log"]) == ("Foo", True)


def test_what_is_typed_is_searched_for_while_its_suggestions_are_on_their_way(
    open_page, page_address
):
    page = open_page(expected=["ERR_FAILED"])
    settled(page)
    sent, held = searches(page), []
    page.route("**/suggest?*", lambda route: held.append(route))
    page.fill("#query", "Foo")
    until(lambda: page.evaluate("true") and held and [x["text"] for x in sent] == ["Foo"])
    held.pop().continue_()  # the word that it becomes is another
    until(lambda: page.inner_text("h1") == "Footwear")
    expected = [x["product_id"] for x in answer(page_address, text="Footwear")["results"]]
    until(lambda: settled(page) == expected)
    page.fill("#query", "Foot")  # known by now to become the same
    until(lambda: page.evaluate("true") and held and len(sent) == 3)
    assert [x["text"] for x in sent] == ["Foo", "Footwear", "Footwear"]
    held.pop().continue_()
    until(lambda: settled(page) == expected)
    page.fill("#query", "shirt")
    until(lambda: page.evaluate("true") and held and len(sent) == 4)
    held.pop().abort()
    expected = [x["product_id"] for x in answer(page_address, text="shirt")["results"]]
    until(lambda: settled(page) == expected)
    assert [x["text"] for x in sent][3:] == ["shirt"]
    page.unroute("**/suggest?*")


def test_a_text_taken_before_its_results_come_is_written_down(open_page, page_address):
    page = open_page()
    settled(page)
    sent, held = searches(page), []
    page.route("**/search", lambda route: held.append(route))
    page.fill("#query", "red shoe")
    until(lambda: page.evaluate("true") and held)
    page.unroute("**/search")
    page.keyboard.press("Enter")
    expected = [x["product_id"] for x in answer(page_address, text="red shoe")["results"]]
    until(lambda: settled(page) == expected)
    assert [(x["text"], x["log"]) for x in sent] == [("red shoe", False), ("red shoe", True)]


def test_no_letter_is_lost_where_answers_are_read_slowly(open_page):
    page = open_page()
    settled(page)
    page.evaluate("""() => {
      const read = Response.prototype.json;
      Response.prototype.json = async function () {
        await new Promise((go) => setTimeout(go, 200));
        return read.call(this);
      };
    }""")
    page.locator("#query").press_sequentially("red shoe", delay=90)  # each letter is looked for
    until(lambda: page.inner_text("h1") == "red shoe")
    assert page.input_value("#query") == "red shoe"
    assert page.locator(".fault").count() == 0


def test_a_click_before_the_text_stands_is_reported_under_a_search(open_page):
    page = open_page()
    settled(page)
    page.locator("#query").press_sequentially("blue")
    until(lambda: page.inner_text("h1") == "blue")
    page.wait_for_selector("#suggestions .offered")
    with page.expect_response("**/feedback") as told:
        page.locator("#suggestions .offered").first.click()
    assert told.value.ok
    page.wait_for_selector("#detail .product")


def test_the_empty_box_helps(open_page):
    page = open_page("?q=green+shirt")
    settled(page)
    after(page, lambda: page.fill("#query", "red shirt") or page.press("#query", "Enter"))
    page.click("#clear-query")
    page.wait_for_selector("#suggestions .heading")
    headings = page.locator("#suggestions .heading").all_text_contents()
    assert headings[0] == "Recent searches"
    assert headings[-1] == "Categories"
    first = page.locator("#suggestions [role=option]").first
    assert first.get_attribute("data-text") == "red shirt"
    page.locator("#suggestions [data-act=forget]").click()
    until(lambda: "Recent searches" not in page.inner_text("#suggestions"))
    asked = after(page, lambda: page.locator("[data-text=Shoes]").click())
    assert asked["text"] == "Shoes"


def test_a_branch_of_the_categories_is_picked_whole(open_page, page_address):
    page = open_page("?q=nike")
    settled(page)
    tree = page.locator('.facet[data-column="category"] .tree')
    assert tree.locator(".name").all_text_contents() == ["Footwear", "Clothing"]
    tree.locator('[aria-label="In Footwear"]').click()
    assert "Shoes" in tree.locator(".name").all_text_contents()
    asked = after(page, lambda: tree.locator(".value", has_text="Footwear").click())
    assert asked["picks"] == {"category": {"values": ["Footwear > Shoes"]}}
    assert page.locator("#chips .chip").all_text_contents() == ["Category: Footwear"]
    assert tree.locator('input[data-key="value:category:Footwear > Shoes"]').is_checked()


def test_prices_are_picked_on_bars_and_by_keys(open_page):
    page = open_page("?q=shoe")
    settled(page)
    bars = page.locator('.facet[data-column="price"] .bars i')
    asked = after(page, lambda: bars.nth(2).click())
    pick = asked["picks"]["price"]
    assert pick["low"] < pick["high"]
    prices = [float(text) for text in page.locator("#cards .price").all_text_contents()]
    assert all(pick["low"] <= price <= pick["high"] for price in prices)
    assert prices
    low = page.locator('[aria-label="Price at least"]')
    low.focus()
    asked = after(page, lambda: page.keyboard.press("Home"))
    assert asked["picks"]["price"] == {"high": pick["high"]}
    assert page.evaluate("document.activeElement.dataset.key") == "slide-low:price"


def test_colours_are_shown_and_picked(open_page):
    page = open_page("?q=shirt")
    settled(page)
    red = page.locator('.facet[data-column="colour"] .value', has_text="red")
    colour = red.locator(".swatch").evaluate("x => getComputedStyle(x).backgroundColor")
    assert re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour)
    asked = after(page, red.click)
    assert asked["picks"] == {"colour": {"values": ["red"]}}


def test_variants_of_a_product_open(open_page):
    page = open_page("?product=p121")
    page.wait_for_selector(".variant-list")
    variants = page.locator(".variant")
    ids = variants.evaluate_all("all => all.map(x => x.dataset.variant)")
    assert sorted(ids) == ["p121", "p126"]
    assert page.locator(".variant[aria-current]").get_attribute("data-variant") == "p121"
    title = page.text_content("#detail-title")
    page.locator('[data-variant="p126"]').click()
    until(lambda: page.text_content("#detail-title") != title)
    assert "product=p126" in page.url
    page.keyboard.press("Escape")
    until(lambda: "product=" not in page.evaluate("location.search"))


def changed(page, path, change, when=lambda body: True):
    """Let the page have other answers of a path: `change` gets the JSON of those that are meant."""

    def answered(route):
        sent = route.request.post_data_json if route.request.post_data else {}
        if not when(sent):
            route.fallback()
            return
        told = route.fetch().json()
        change(told)
        route.fulfill(json=told)

    page.route(f"**{path}", answered)


def test_variants_are_named_by_words_before_numbers(open_page):
    def laptops(told):
        for i, result in enumerate(told["results"]):
            result["fields"] |= {"colour": "red", "weight_g": 1253 + i}
            result["fields"]["attributes"] = {"energy class": "A", "ram": f"{8 * (i + 1)} GB"}

    page = open_page()
    settled(page)
    changed(page, "/search", laptops, lambda sent: "group_id" in sent.get("picks", {}))
    page.goto(page.url + "?product=p121")
    page.wait_for_selector(".variant-list")
    assert page.locator(".variant [dir]").all_text_contents() == ["8 GB", "16 GB"]


def test_a_shop_without_images_shows_none_missing(open_page):
    page = open_page("?q=shoe")
    settled(page)
    assert page.locator("body.imageless").count() == 0
    changed(page, "/page", lambda told: told.update(has_images=False))
    changed(page, "/search", lambda told: [x.update(photo_url=None) for x in told["results"]])
    page.reload()
    settled(page)
    assert page.locator("#cards .frame.none").count() == page.locator("#cards .card").count()
    assert page.locator("#cards .frame.none").first.is_hidden()
    assert page.locator("#cards .title").first.is_visible()


def test_a_facet_with_nothing_to_choose_says_so(open_page):
    page = open_page("?q=shoe")
    settled(page)
    facet = page.locator(".facet").last
    column = facet.get_attribute("data-column")
    facet.locator("summary").click()  # closed, so that it is counted when it is opened next
    ask = page.locator("#query")
    after(page, lambda: ask.fill("red shoe") or ask.press("Enter"))
    empty = lambda told: told["facets"][0].update(values=[], num_values=0)  # noqa: E731
    changed(page, "/search", empty, lambda sent: sent["facets"] == [column])
    facet.locator("summary").click()
    facet.locator(".quietly").wait_for()
    assert facet.locator(".quietly").inner_text() == "Nothing to choose here."


@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_jumps_while_the_page_loads(open_page, width):
    page = open_page("?q=nike+red+shooe+under+60", viewport={"width": width, "height": 900})
    settled(page)
    page.wait_for_load_state("networkidle")
    assert page.evaluate(SHIFT) < 0.05
    page.goto(page.url.partition("?")[0] + "?q=shirt")
    settled(page)
    page.locator('.card:has(.variants) .title a, .card[data-id="p121"] .title a').first.click()
    page.wait_for_selector(".alike .card")
    page.wait_for_load_state("networkidle")
    assert page.evaluate(SHIFT) < 0.05


def test_failed_requests_leave_a_calm_page(open_page):
    page = open_page("", expected=["ERR_FAILED", "404", "500"])
    settled(page)
    page.route("**/photo?*", lambda route: route.fulfill(status=500))
    page.route("**/suggest?*", lambda route: route.abort())
    page.fill("#query", "red shoe")
    after(page, lambda: page.press("#query", "Enter"))
    until(lambda: page.locator("#cards .frame.none").count() > 0)
    assert page.locator(".fault").count() == 0
    page.goto(page.url.partition("?")[0] + "?product=unknown")
    page.wait_for_selector("#detail h2")
    assert page.inner_text("#detail h2") == "This product is gone"


def test_a_link_with_a_filter_that_the_shop_lacks_says_so_plainly(open_page):
    page = open_page("?q=shoe&f.color=red&sort=-size", expected=("400",))
    page.wait_for_selector("#blank .fault")
    said = page.inner_text("#blank .fault p")
    assert said == "The link has a filter or an order that this shop does not have."
    after(page, lambda: page.get_by_role("button", name="Clear the filters").click())
    assert page.inner_text("h1") == "shoe"
    assert settled(page)


def test_a_link_to_what_is_like_a_product_that_is_gone_leads_on(open_page):
    page = open_page("?similar=gone", expected=["404"])
    page.wait_for_selector(".fault")
    assert page.inner_text(".fault h2") == "This product is gone"
    assert "gone" not in page.inner_text("h1")  # the id
    page.locator(".fault button", has_text="Start over").click()
    settled(page)
    assert page.inner_text("h1") == "All products"
    assert page.locator("#sort option").count() > 1


def test_a_file_that_is_no_photo_is_said_plainly(open_page):
    page = open_page(expected=["400"])
    settled(page)
    page.click("#query")
    page.wait_for_selector("#suggestions:not([hidden])")
    file = {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"not a picture"}
    page.set_input_files("#photo-file", file)
    page.wait_for_selector(".fault")
    assert page.is_hidden("#suggestions")
    assert page.inner_text(".fault h2") == "This photo cannot be used"
    assert "header" not in page.inner_text(".fault")
    page.locator(".fault button", has_text="Remove the photo").click()
    until(lambda: page.inner_text("h1") == "All products")


def test_coming_back_from_elsewhere_returns_to_the_place(open_page):
    page = open_page("?q=shoe", viewport={"width": 390, "height": 700})
    settled(page)
    page.evaluate("scrollTo(0, 900)")
    until(lambda: page.evaluate("history.state.y") == 900)
    page.goto("about:blank")
    page.go_back()
    settled(page)
    until(lambda: page.evaluate("scrollY") == 900)


def test_what_the_shop_ignores_by_itself_is_not_shown_as_understood(open_page):
    page = open_page()
    settled(page)

    def ignored(route):
        body = route.fetch().json()
        for part in body["recognised"]:
            part["action"] = "off" if part["name"].startswith("colour") else part["action"]
        route.fulfill(json=body)

    page.route("**/search", ignored)
    page.fill("#query", "red shoe")
    after(page, lambda: page.press("#query", "Enter"))
    names = "all => all.map(x => x.dataset.name)"
    assert page.eval_on_selector_all("#recognised button", names) == ["category: Shoes"]
    after(page, page.locator("#recognised button").click)  # what a shopper took back stays
    assert page.get_attribute("#recognised button", "aria-pressed") == "false"


def refused(status, code, seconds):
    """Answer of a service that refuses a search, with the time after which to come back."""
    body = {"error": {"code": code, "message": "127.0.0.1: more than 50 per 1 second."}}
    return {"status": status, "json": body, "headers": {"Retry-After": str(seconds)}}


def test_a_shop_that_is_busy_is_asked_again_then_said_to_be(open_page):
    page = open_page(expected=["429"])
    settled(page)
    tried = []

    def once(route):
        tried.append(route)
        route.fulfill(**refused(429, "too_many", 1)) if len(tried) == 1 else route.continue_()

    page.route("**/search", once)
    page.fill("#query", "red shoe")
    after(page, lambda: page.press("#query", "Enter"))
    assert page.locator(".fault").count() == 0
    page.unroute("**/search")
    page.route("**/search", lambda route: route.fulfill(**refused(429, "too_many", 60)))
    page.fill("#query", "blue shoe")
    page.press("#query", "Enter")
    page.wait_for_selector(".fault")
    assert page.inner_text(".fault h2") == "The shop is busy"
    assert "127" not in page.inner_text(".fault")
    page.unroute("**/search")
    page.click("text='Try again'")
    page.wait_for_selector("#cards:not([aria-busy]) .card[data-id]")


def test_a_connection_that_is_back_is_used_at_once(open_page):
    page = open_page(expected=["ERR_INTERNET_DISCONNECTED"])
    settled(page)
    page.context.set_offline(True)
    page.fill("#query", "red shoe")
    page.press("#query", "Enter")
    page.wait_for_selector(".fault")
    assert page.inner_text(".fault h2") == "No connection"
    page.evaluate(COUNT_SHIFTS)
    page.context.set_offline(False)
    page.wait_for_selector("#cards:not([aria-busy]) .card[data-id]")
    assert page.locator(".fault").count() == 0
    assert page.evaluate("window.shifts") < 0.05


def test_an_order_of_a_link_that_the_shop_does_not_offer_is_shown(open_page):
    page = open_page("?q=shoe&sort=title")
    settled(page)
    assert page.locator("#sort option:checked").inner_text() == "Title"


def test_a_shortcut_opens_the_empty_box(open_page):
    page = open_page()
    settled(page)
    page.keyboard.press("Control+k")
    page.wait_for_selector("#suggestions:not([hidden])")


def test_products_of_an_earlier_search_are_not_offered(open_page):
    page = open_page("?q=Dress")
    settled(page)
    held = []
    page.route("**/search", lambda route: held.append(route))
    page.fill("#query", "Foot")
    page.wait_for_selector("#suggestions [data-text=Footwear i]")  # searched for, it is "footwear"
    assert page.locator("#suggestions [aria-label=Products]").count() == 0
    until(lambda: page.evaluate("true") and held)
    held[-1].continue_()
    page.wait_for_selector("#suggestions [aria-label=Products]")
    page.unroute("**/search")


def test_a_link_with_a_photo_that_another_tab_has_leads_on(open_page):
    page = open_page("?q=shoe&photo=3")
    page.wait_for_selector(".fault")
    assert page.inner_text(".fault h2") == "The photo is not here any more"
    after(page, lambda: page.click("text='Remove the photo'"))
    assert page.inner_text("h1") == "shoe"


def test_a_correction_is_offered_once(open_page):
    page = open_page()
    settled(page)

    def corrected(route):
        route.fulfill(json={**route.fetch().json(), "corrected": "Footwear"})

    page.route("**/search", corrected)
    page.locator("#query").press_sequentially("Footwea")
    page.wait_for_selector("#suggestions [aria-label='Did you mean']")
    assert page.locator("#suggestions [data-text=Footwear]").count() == 1


def test_colours_of_a_card_open_the_variants_that_have_them(open_page):
    page = open_page("?r.price=130..140")
    assert len(settled(page)) == 5
    page.wait_for_selector(".dots")
    shown = page.eval_on_selector_all(
        ".card[data-id]",
        """all => all.map((x) =>
          [x.dataset.id, [...x.querySelectorAll(".dot")].map((y) => y.dataset.variant)])""",
    )
    for own, variants in shown:
        number = int(own[1:])
        assert variants == [own, f"p{number + 5 if number < 125 else number - 5}"]
    other = page.locator(".dot").nth(1)
    colour = other.get_attribute("title")
    assert other.get_attribute("aria-label").endswith(f", {colour}")
    other.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail[open] #detail-title")
    assert colour in page.inner_text("#detail-title")
    page.keyboard.press("Escape")
    page.wait_for_selector("#detail", state="hidden")


def test_points_of_a_description_are_a_list(open_page):
    page = open_page("")
    settled(page)

    def pointed(route):
        told = route.fetch().json() | {"description": "Warm. • Wool. • Washable."}
        route.fulfill(json=told)

    page.route("**/products/p100", pointed)
    page.goto(f"{page.url}?product=p100")
    page.wait_for_selector(".points")
    assert page.locator(".points li").all_inner_texts() == ["Wool.", "Washable."]
    assert page.inner_text(".about p") == "Warm."


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1400, "light")])
def test_axe_finds_nothing(open_page, page_address, violations, width, scheme):
    page = open_page("", viewport={"width": width, "height": 900}, color_scheme=scheme)
    found = {}
    for name, address in AXE_STATES.items():
        page.goto(page_address + address)
        page.wait_for_selector("#cards:not([aria-busy]) .card[data-id], .empty, .column .mark")
        page.wait_for_load_state("networkidle")
        found[name] = violations(page)
    page.goto(page_address)
    settled(page)
    page.locator("#query").press_sequentially("re")
    page.wait_for_selector("#suggestions .offered")
    found["suggestions"] = violations(page)
    if width < 600:
        page.keyboard.press("Escape")
        page.click("#open-filters")
        found["filters"] = violations(page)
    page.goto(page_address + "docs")
    page.locator("#search_search_post > summary").click()
    page.locator("#search_image_search_image_post > summary").click()
    page.locator("#search_search_post .fields > summary").first.click()
    page.locator("#search_search_post").get_by_role("button", name="Send").click()
    page.wait_for_selector(".status")
    found["calls"] = violations(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert {name: broken for name, broken in found.items() if broken} == {}
