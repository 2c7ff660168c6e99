"""InstantSearch as npm has it, unchanged, against the demo's shop."""

import http.server
import json
import re
import shutil
import threading
import urllib.request
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from support.browsing import answer, served, until
from support.npm import install

from windowshop.data.dataset import read_dataset
from windowshop.demo.catalogue import DemoConfig, write_demo
from windowshop.index.build import IndexConfig, build_index
from windowshop.progress import SilentReporter
from windowshop.search.settings import UNTUNED_TEXT, SearchSettings, save_search_settings

PAGES = Path(__file__).parent / "front_ends"
CHILDREN = "#category .ais-HierarchicalMenu-list--child"
NUMBER = re.compile(r"([\d,]+) results?")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Address of a site with the pages and the packages that they load."""
    folder = shutil.copytree(PAGES, tmp_path_factory.mktemp("site") / "site")
    install(folder)
    handler = partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def service(site, tmp_path_factory, colours_model):
    """Where the demo's shop is served to pages of the site."""
    folder = tmp_path_factory.mktemp("demo")
    write_demo(folder / "data", DemoConfig(num_products=150, image_side=64))
    data, config = read_dataset(folder / "data"), IndexConfig(engine="exact")
    build_index(colours_model, data, folder / "index", folder / "cache", SilentReporter(), config)
    named = replace(UNTUNED_TEXT, points=0.14)  # the model's vectors are random
    save_search_settings(SearchSettings(text=named), folder / "index" / "generations" / "g1")
    with served(folder / "index", also=(), origins=(site,)) as address:
        yield address


@pytest.fixture
def open_shop(open_page, site, service):
    def open_shop(name):
        host = service.removeprefix("http://").rstrip("/")
        page = open_page(f"/{name}?service={host}", site)
        page.wait_for_selector("article")
        return page

    return open_shop


def total(page):
    return int(NUMBER.search(page.inner_text(".ais-Stats")).group(1).replace(",", ""))


def shown(page):
    return page.eval_on_selector_all("article", "all => all.map(x => x.dataset.id)")


def ids(found):
    return [result["product_id"] for result in found["results"]]


def expect(page, service, **request):
    """Wait until the page shows what the service answers."""
    found = answer(service, collapse=False, limit=8, log=False, **request)
    until(lambda: shown(page) == ids(found) and total(page) == found["total"])
    return found


def test_every_widget_works_against_the_demo(open_shop, service):
    page = open_shop("shop.html")
    every = expect(page, service)
    assert len(shown(page)) == 8

    page.fill(".ais-SearchBox-input", "mug")
    found = expect(page, service, text="mug")
    assert found["total"] < every["total"]
    until(lambda: "Mug" in page.locator("h2 mark").all_inner_texts())
    images = page.locator("article img")  # some of the shop's are missing
    until(lambda: images.evaluate_all("all => all.some(x => x.complete && x.naturalWidth > 0)"))

    page.locator(".ais-Pagination-item--page a", has_text="2").click()
    expect(page, service, text="mug", offset=8)
    page.select_option(".ais-SortBy-select", "shop:price:asc")
    expect(page, service, text="mug", sort=[{"column": "price"}])
    page.select_option(".ais-SortBy-select", "shop")
    page.fill(".ais-SearchBox-input", "")
    expect(page, service)

    first, second = (page.locator("#brand li").nth(place) for place in (0, 1))
    name, count = (
        first.locator(f".ais-RefinementList-{x}").inner_text() for x in ("labelText", "count")
    )
    first.locator("input").check()
    picked = expect(page, service, picks={"brand": {"values": [name]}})
    assert picked["total"] == int(count)
    assert page.locator("#brand li").count() > 1  # the others are still offered
    other = second.locator(".ais-RefinementList-labelText").inner_text()
    second.locator("input").check()
    both = {"brand": {"values": [name, other]}}
    expect(page, service, picks=both)

    page.locator("#category a", has_text="Home").click()
    page.wait_for_selector(CHILDREN)
    deeper = page.locator(f"{CHILDREN} a").first
    label, count = (
        deeper.locator(f".ais-HierarchicalMenu-{x}").inner_text() for x in ("label", "count")
    )
    deeper.click()
    narrow = {"picks": both, "where": f'category under "Home > {label}"'}
    found = expect(page, service, **narrow)
    assert found["total"] == int(count)
    assert page.locator("#category > div > ul > li").count() > 1

    handle = page.locator("#price .rheostat-handle").first
    low = float(handle.get_attribute("aria-valuemin"))
    handle.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    until(lambda: float(handle.get_attribute("aria-valuenow")) > low)
    value = float(handle.get_attribute("aria-valuenow"))
    expect(page, service, **{**narrow, "picks": {**both, "price": {"low": value}}})


def test_values_are_searched_and_both_kinds_of_lists_count(open_shop, service):
    page = open_shop("shop.html")
    expect(page, service)
    label = page.locator("#pattern .ais-RefinementList-labelText").first.inner_text()
    page.locator("#pattern input").first.check()
    expect(page, service, picks={"pattern": {"values": [label]}})
    assert page.locator("#pattern li").count() == 1  # of a list by `and`, nothing else is left
    brand = page.locator("#brand .ais-RefinementList-labelText").last.inner_text()
    page.fill("#brand .ais-SearchBox-input", brand[:3].lower())
    until(lambda: page.locator("#brand mark").all_inner_texts() == [brand[:3]])
    page.locator("#brand input[type=checkbox]").click()
    picks = {"pattern": {"values": [label]}, "brand": {"values": [brand]}}
    expect(page, service, picks=picks)


def test_a_click_becomes_an_event_of_ours(open_shop, service):
    page = open_shop("shop.html")
    page.fill(".ais-SearchBox-input", "lamp")
    expect(page, service, text="lamp")
    with page.expect_request(lambda sent: '"eventType":"click"' in (sent.post_data or "")) as sent:
        page.locator("article").nth(1).click()
    (event,) = json.loads(sent.value.post_data)["events"]
    sent.value.response().finished()
    sent = {"search_id": event["queryID"], "product_id": shown(page)[1], "position": 2}
    body = json.dumps({**sent, "event": "click"}).encode()
    head = {"Content-Type": "application/json"}
    asked = urllib.request.Request(f"{service}feedback", data=body, headers=head)
    with urllib.request.urlopen(asked) as told:
        assert json.load(told) == {"status": "known"}


def test_what_is_only_close_is_told(open_shop, service):
    page = open_shop("shop.html")
    page.fill(".ais-SearchBox-input", "chainsaw")
    found = expect(page, service, text="chainsaw")
    assert found["certainty"]["found"] == "closest"
    assert page.inner_text("#told") == found["certainty"]["text"]


def test_react_instantsearch_runs_too(open_shop, service):
    page = open_shop("react.html")
    page.fill(".ais-SearchBox-input", "mug")
    expect(page, service, text="mug")
    until(lambda: "Mug" in page.locator("article mark").all_inner_texts())
    first = page.locator(".ais-RefinementList-item").first
    name = first.locator(".ais-RefinementList-labelText").inner_text()
    first.locator("input").check()
    expect(page, service, text="mug", picks={"brand": {"values": [name]}})
    first.locator("input").uncheck()
    expect(page, service, text="mug")
    page.fill(".ais-RefinementList .ais-SearchBox-input", name[:3])
    until(lambda: page.locator(".ais-RefinementList mark").all_inner_texts() == [name[:3]])
