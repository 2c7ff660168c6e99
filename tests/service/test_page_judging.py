"""The page in a browser: judging by keyboard."""

import json
import urllib.request
from urllib.parse import quote

from support.browsing import after, asked_for, settled, stop_timers, until
from support.shops import image_bytes


def grades(address, query):
    with urllib.request.urlopen(f"{address}judgements?query={quote(query)}") as response:
        return {x["product_id"]: x["grade"] for x in json.load(response)["judgements"]}


def begin_judging(page):
    stop_timers(page)
    page.focus("#results")
    page.keyboard.press("j")
    page.wait_for_selector(".judge-bar:visible")


def test_judging_by_keyboard_reaches_the_service(open_page, page_address):
    query = "green shirt"
    page = open_page("workbench?q=green+shirt")
    ids = settled(page)
    begin_judging(page)
    for key in ("3", "0", "ArrowRight", "2"):
        page.keyboard.press(key)
    given = {ids[0]: 3, ids[1]: 0, ids[3]: 2}
    assert page.inner_text("#judged") == "3 judged"
    assert page.evaluate("document.activeElement.dataset.id") == ids[4]
    page.keyboard.press("u")  # the latest was not sent yet
    assert page.evaluate("document.activeElement.dataset.id") == ids[3]
    assert page.inner_text("#judged") == "2 judged"
    page.keyboard.press("1")
    until(lambda: grades(page_address, query) == {ids[0]: 3, ids[1]: 0})
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Escape")
    assert page.is_hidden(".judge-bar")
    until(lambda: grades(page_address, query) == given | {ids[3]: 1})
    page.reload()
    settled(page)
    page.focus("#results")
    page.keyboard.press("j")
    page.wait_for_selector('.card[data-grade="3"]')
    assert page.inner_text("#judged") == "3 judged"
    page.keyboard.press("2")
    page.keyboard.press("1")
    page.keyboard.press("u")
    page.keyboard.press("u")  # sent already, and graded before
    assert page.locator(f'.card[data-id="{ids[0]}"]').get_attribute("data-grade") == "3"
    page.click("text='Done'")
    until(lambda: grades(page_address, query) == given | {ids[3]: 1})


def test_a_grade_that_was_sent_can_be_taken_away(open_page, page_address):
    query = "blue shoe"
    page = open_page("workbench?q=blue+shoe")
    ids = settled(page)
    begin_judging(page)
    for key in ("3", "0", "1"):
        page.keyboard.press(key)
    until(lambda: grades(page_address, query) == {ids[0]: 3, ids[1]: 0})
    for _ in range(2):
        page.keyboard.press("u")  # the last is not sent yet, the one before is
    assert page.inner_text("#judged") == "1 judged"
    assert page.evaluate("document.activeElement.dataset.id") == ids[1]
    assert page.locator(f'.card[data-id="{ids[1]}"]').get_attribute("data-grade") is None
    page.keyboard.press("Escape")
    until(lambda: grades(page_address, query) == {ids[0]: 3})
    page.reload()
    settled(page)
    page.focus("#results")
    page.keyboard.press("j")
    page.wait_for_selector('.card[data-grade="3"]')
    page.keyboard.press("Backspace")  # given before the page was opened
    assert page.inner_text("#judged") == "0 judged"
    page.keyboard.press("u")
    assert page.inner_text("#judged") == "1 judged"
    page.keyboard.press("Backspace")
    page.keyboard.press("Backspace")
    assert page.inner_text("#judge-said") == "This product has no grade."
    page.click("text='Done'")
    until(lambda: grades(page_address, query) == {})


def test_grades_given_while_earlier_ones_are_loaded_stay(open_page, page_address):
    query = "blue shirt"
    page = open_page("workbench?q=blue+shirt")
    ids = settled(page)
    loading = []
    page.route(
        lambda url: "/judgements?" in url,
        lambda route: loading.append(route) if len(loading) < 1 else route.continue_(),
    )
    begin_judging(page)
    asked_for(page, loading)
    page.keyboard.press("2")
    page.keyboard.press("0")
    loading[0].continue_()
    until(lambda: page.evaluate("true") and grades(page_address, query) == {ids[0]: 2})
    assert page.inner_text("#judged") == "2 judged"
    assert page.locator(f'.card[data-id="{ids[1]}"]').get_attribute("data-grade") == "0"
    page.keyboard.press("u")  # the second, not sent yet
    page.keyboard.press("u")
    assert page.inner_text("#judged") == "0 judged"
    page.keyboard.press("Escape")
    until(lambda: page.evaluate("true") and grades(page_address, query) == {})


def test_results_of_a_image_are_not_judged_under_the_text(open_page, page_address):
    query = "red shirt"
    page = open_page("workbench?q=red+shirt")
    ids = settled(page)
    begin_judging(page)
    page.keyboard.press("2")  # for the text alone; not sent yet
    held = []
    page.route("**/search/image", lambda route: held.append(route))
    file = {"name": "p.png", "mimeType": "image/png", "buffer": image_bytes(1, size=(40, 40))}
    page.set_input_files("#photo-file", file)
    asked_for(page, held)  # the cards are still those of the text
    assert page.is_hidden(".judge-bar")
    page.focus("#cards .card a")
    page.keyboard.press("3")
    held[0].continue_()
    settled(page)
    page.unroute("**/search/image")
    assert page.inner_text("h1") == "Like your photo: red shirt"
    page.focus("#results")
    page.keyboard.press("j")
    until(lambda: "without a photo" in page.inner_text("#status"))
    page.keyboard.press("3")
    assert page.is_hidden(".judge-bar")
    assert page.evaluate("[...document.querySelectorAll('#tools-sheet button')].at(-1).disabled")
    after(page, lambda: page.click('[aria-label="Remove the photo"]'))
    until(lambda: page.evaluate("true") and grades(page_address, query) == {ids[0]: 2})
    page.focus("#results")
    page.keyboard.press("j")
    page.wait_for_selector('.card[data-grade="2"]')
    page.go_back()  # to the image
    page.wait_for_selector('[aria-label="Remove the photo"]')
    assert page.is_hidden(".judge-bar")
    assert grades(page_address, query) == {ids[0]: 2}
