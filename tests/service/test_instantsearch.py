"""Searches by the wire protocol of InstantSearch's standard client."""

import json
import shutil
from urllib.parse import urlencode

import polars as pl
import pytest
from support.services import SECRETS, made_answer, problem, serving, write_keys

from windowshop.search import SearchRequest
from windowshop.service.http.api_keys import load_keys
from windowshop.service.instantsearch.typed import TypedSearches, is_on_the_way
from windowshop.service.logs.feedback import read_log

QUERIES = "/1/indexes/*/queries"


@pytest.fixture(scope="module")
def index(page_index, tmp_path_factory):
    return shutil.copytree(page_index, tmp_path_factory.mktemp("instantsearch") / "index")


@pytest.fixture(scope="module")
def client(index):
    with serving(index) as client:
        yield client


@pytest.fixture(scope="module")
def ask(client):
    def ask(*queries):
        sent = json.dumps({"requests": [{"indexName": "shop", **query} for query in queries]})
        answer = client.post(QUERIES, content=sent, headers={"Content-Type": "text/plain"})
        assert answer.status_code == 200, answer.text
        return answer.json()["results"]

    return ask


def ours(client, **request):
    return client.post("/search", json={"log": False, **request}).json()


def ids(result):
    return [hit["objectID"] for hit in result["hits"]]


def test_hits_are_those_of_the_search(client, ask):
    expected = ours(client, text="red shoe", limit=20, facets=["brand"])
    (found,) = ask({"query": "red shoe", "facets": ["brand", "price"]})
    assert ids(found) == [result["product_id"] for result in expected["results"]]
    assert found["nbHits"] == expected["total"]
    assert (found["page"], found["hitsPerPage"]) == (0, 20)
    assert found["nbPages"] == -(-expected["total"] // 20)
    assert found["processingTimeMS"] >= 1
    counts = {value["value"]: value["products"] for value in expected["facets"][0]["values"]}
    assert found["facets"]["brand"] == counts
    first = expected["results"][0]
    hit = found["hits"][0]
    assert hit["title"] == first["title"]
    assert hit["price"] == first["price"]
    assert hit["attributes"] == {"colour": hit["colour"]}
    photos = {result["product_id"]: result["photo_url"] for result in expected["results"]}
    assert None in photos.values()
    for hit in found["hits"]:
        photo = photos[hit["objectID"]]
        assert hit.get("image") == (photo and f"http://localhost{photo}")
    assert client.get(found["hits"][-1]["image"]).headers["content-type"] == "image/jpeg"


def test_pages_follow_each_other_to_the_end(ask):
    queries = [{"query": "", "hitsPerPage": 50, "page": page} for page in range(4)]
    pages = ask(*queries)
    assert [len(page["hits"]) for page in pages] == [50, 50, 30, 0]
    assert {page["nbPages"] for page in pages} == {3}
    assert len({name for page in pages for name in ids(page)}) == 130
    (part,) = ask({"offset": 7, "length": 3})
    assert ids(part) == ids(pages[0])[7:10]


def test_disjunctive_facets_agree_with_what_a_pick_then_finds(ask):
    picked = [["brand:Nike"]]
    main, rest = ask(
        {"query": "shoe", "facets": ["brand"], "facetFilters": picked},
        {"query": "shoe", "facets": "brand", "hitsPerPage": 0, "analytics": False},
    )
    assert main["facets"]["brand"] == {"Nike": main["nbHits"]}
    assert rest["hits"] == []
    assert rest["facets"]["brand"]["Nike"] == main["nbHits"]
    assert sum(rest["facets"]["brand"].values()) == rest["nbHits"]
    for name, count in rest["facets"]["brand"].items():
        (one,) = ask({"query": "shoe", "facetFilters": f"brand:{name}"})
        assert one["nbHits"] == count


def kept(index_rows, passes):
    return sum(map(passes, index_rows))


@pytest.mark.parametrize(
    ("given", "passes"),
    [
        ({"facetFilters": [["brand:Nike", "brand:Puma"]]}, lambda r: r["brand"] != "Acme"),
        ({"facetFilters": ["brand:Nike", "brand:Puma"]}, lambda r: False),
        ({"facetFilters": ["brand:-Nike"]}, lambda r: r["brand"] != "Nike"),
        ({"facetFilters": '[["brand:Nike"],"colour:red"]'},
         lambda r: r["brand"] == "Nike" and r["colour"] == "red"),
        ({"facetFilters": [["brand:Nike", "colour:red"]]},
         lambda r: r["brand"] == "Nike" or r["colour"] == "red"),
        ({"facetFilters": ["attributes.colour:red"]}, lambda r: r["colour"] == "red"),
        ({"facetFilters": ["on_sale:true"]}, lambda r: r["on_sale"]),
        ({"facetFilters": ["on_sale:-true"]}, lambda r: not r["on_sale"]),
        ({"facetFilters": ["hierarchicalCategories.lvl0:Footwear"]}, lambda r: r["shoe"]),
        ({"facetFilters": [["hierarchicalCategories.lvl1:Footwear > Shoes"]]},
         lambda r: r["shoe"]),
        ({"numericFilters": ["price>=20", "price<22"]}, lambda r: 20 <= r["price"] < 22),
        ({"numericFilters": ["price:20 TO 22"]}, lambda r: 20 <= r["price"] <= 22),
        ({"numericFilters": [["price=20", "price=22"]]}, lambda r: r["price"] in (20, 22)),
        ({"numericFilters": "price!=20"}, lambda r: r["price"] != 20),
        ({"numericFilters": ["price>20"]}, lambda r: r["price"] > 20),
        ({"filters": "brand:Nike AND price < 50"},
         lambda r: r["brand"] == "Nike" and r["price"] < 50),
        ({"filters": 'NOT brand:"Nike" AND (colour:red OR price:10 TO 20)'},
         lambda r: r["brand"] != "Nike" and (r["colour"] == "red" or r["price"] <= 20)),
        ({"filters": "NOT on_sale:true"}, lambda r: not r["on_sale"]),
        ({"filters": "'brand':'Puma'<score=2> OR hierarchicalCategories.lvl0:Footwear"},
         lambda r: r["brand"] == "Puma" or r["shoe"]),
    ],
)  # fmt: skip
def test_filters_leave_what_they_say(ask, rows, given, passes):
    (found,) = ask({**given, "hitsPerPage": 200})
    wanted = {row["product_id"] for row in rows if passes(row)}
    assert set(ids(found)) == wanted
    assert found["nbHits"] == len(wanted)


@pytest.fixture(scope="module")
def rows():
    from support.browsing import shop_rows

    return [
        row | json.loads(row["attributes"]) | {"shoe": row["category"] == "Footwear > Shoes"}
        for row in shop_rows()
    ]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"filters": "brand:Nike AND"}, "cannot be read"),
        ({"filters": "brand:Nike and price<5"}, "in capitals"),
        ({"filters": "NOT (brand:Nike)"}, "character 5"),
        ({"filters": "brant:Nike"}, "Did you mean 'brand'"),
        ({"filters": "brand < 5"}, "holds no numbers"),
        ({"filters": "price:cheap"}, "'cheap' is none"),
        ({"filters": "a" * 5_000}, "at most 4000"),
        ({"filters": "(brand:Nike OR " * 250 + "brand:Nike" + ")" * 250}, "filter"),
        ({"filters": "(" * 1_900 + "brand:Nike"}, "cannot be read"),
        ({"filters": "brand:'Nike"}, "cannot be read"),
        ({"filters": ":"}, "cannot be read"),
        ({"facetFilters": [["brand:Nike"] * 501]}, "more than 500"),
        ({"facetFilters": [[["brand:Nike"]]]}, "lists of texts"),
        ({"facetFilters": {"brand": "Nike"}}, "lists of texts"),
        ({"numericFilters": ["price>1e999"]}, "is none"),
        ({"facetFilters": ["brand"]}, "Write it as brand:Nike"),
        ({"facetFilters": [["brand:Nike", 3]]}, "lists of texts"),
        ({"facetFilters": 7}, "lists of texts"),
        ({"facetFilters": ["on_sale:maybe"]}, "true or false"),
        ({"numericFilters": ["price~5"]}, "price:10 TO 50"),
        ({"numericFilters": ["brand>5"]}, "not numbers"),
        ({"facets": ["colour", "colr"]}, "Did you mean 'colour'"),
        ({"indexName": "shop:price"}, "INDEX:COLUMN:asc"),
        ({"indexName": "shop:price:up"}, "INDEX:COLUMN:asc"),
        ({"indexName": "shop:prise:asc"}, "Did you mean 'price'"),
        ({"query": "x" * 1_001}, "at most 1000"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(client, query, says):
    answer = client.post(QUERIES, json={"requests": [{"indexName": "shop", **query}]})
    assert answer.status_code == 400, answer.text
    told = answer.json()
    assert says in told["message"]
    assert told["status"] == 400
    assert told["error"]["message"] == told["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"requests": []}', b'{"requests": [1]}'])
def test_a_broken_body_is_named_too(client, body):
    answer = client.post(QUERIES, content=body)
    assert answer.status_code in (400, 422)
    assert answer.json()["message"]


def test_levels_of_the_category_make_a_hierarchical_menu(ask):
    (found,) = ask({"facets": ["hierarchicalCategories.lvl0", "hierarchicalCategories.lvl1"]})
    assert found["facets"]["hierarchicalCategories.lvl0"] == {"Footwear": 66, "Clothing": 64}
    deeper = {"Footwear > Shoes": 66, "Clothing > Shirts": 64}
    assert found["facets"]["hierarchicalCategories.lvl1"] == deeper
    levels = [hit["hierarchicalCategories"] for hit in found["hits"]]
    assert {"lvl0": "Footwear", "lvl1": "Footwear > Shoes"} in levels


def test_numbers_have_their_range_and_their_values(ask):
    (found,) = ask({"facets": ["price", "on_sale"], "maxValuesPerFacet": 3})
    assert found["facets_stats"] == {"price": {"min": 10.0, "max": 139.0}}
    assert found["facets"]["price"] == {"10": 1, "11": 1, "12": 1}
    assert found["facets"]["on_sale"] == {"false": 103, "true": 26}
    (every,) = ask({"facets": ["*"]})
    assert {"brand", "category", "colour", "price", "on_sale"} <= set(every["facets"])
    order = every["renderingContent"]["facetOrdering"]["facets"]["order"]
    assert order == list(every["facets"])


def test_pages_beyond_what_is_reached_are_empty(ask):
    (found,) = ask({"page": 900, "hitsPerPage": 20})
    assert (found["hits"], found["nbHits"], found["nbPages"]) == ([], 130, 7)


def test_the_name_of_a_replica_says_the_order(ask):
    rising, falling = ask({"indexName": "shop:price:asc"}, {"indexName": "shop:price:desc"})
    prices = [hit["price"] for hit in rising["hits"]]
    assert prices == sorted(prices)
    assert [hit["price"] for hit in falling["hits"]][0] == 139.0


def test_variants_are_one_hit_where_distinct_is_asked_for(ask):
    (found,) = ask({"distinct": True, "facets": ["brand"]})
    assert found["nbHits"] == 125


def test_words_of_the_query_are_marked_and_the_rest_escaped(client, ask):
    from support.browsing import ATTACK

    (found,) = ask(
        {"query": "shoe", "filters": "product_id:p0", "attributesToSnippet": ["title:1"]}
    )
    (hit,) = found["hits"]
    marked = hit["_highlightResult"]["title"]
    assert "<x" not in marked["value"]
    assert marked["value"].endswith("&gt; img <em>shoe</em>")
    assert (marked["matchLevel"], marked["matchedWords"]) == ("full", ["shoe"])
    assert marked["fullyHighlighted"] is False
    assert hit["_highlightResult"]["brand"]["matchLevel"] == "none"
    assert hit["_highlightResult"]["attributes"]["colour"]["value"] == "red"
    assert hit["_snippetResult"]["title"]["value"] == "…<em>shoe</em>"
    own = {"highlightPreTag": "__ais-highlight__", "highlightPostTag": "__/ais-highlight__"}
    (found,) = ask({"query": "shoes", "filters": "product_id:p0", **own})
    plain = found["hits"][0]["_highlightResult"]["title"]["value"]
    assert plain == ATTACK.replace("shoe", "__ais-highlight__shoe__/ais-highlight__")


def test_attributes_come_as_they_are_asked_for(ask):
    few, rest = ask(
        {"attributesToRetrieve": ["title", "price"], "attributesToHighlight": []},
        {"attributesToRetrieve": ["*", "-title"], "attributesToHighlight": ["brand"]},
    )
    own = {"objectID", "_highlightResult", "_snippetResult"}
    assert set(few["hits"][0]) == {"title", "price"} | own
    assert few["hits"][0]["_highlightResult"] == {}
    assert "title" not in rest["hits"][0]
    assert "brand" in rest["hits"][0]
    assert set(rest["hits"][0]["_highlightResult"]) == {"brand"}


def test_values_of_a_facet_are_searched(client, ask):
    query = {"type": "facet", "facet": "brand", "facetQuery": "ni", "query": "shoe"}
    (found,) = ask(query)
    (hit,) = found["facetHits"]
    (plain,) = ask({"query": "shoe", "facets": ["brand"]})
    assert (hit["value"], hit["count"]) == ("Nike", plain["facets"]["brand"]["Nike"])
    assert hit["highlighted"] == "<em>Ni</em>ke"
    body = {"params": urlencode({"facetQuery": "", "query": "shoe", "maxFacetHits": 2})}
    answer = client.post("/1/indexes/shop/facets/brand/query", json=body).json()
    assert [hit["value"] for hit in answer["facetHits"]] == [*plain["facets"]["brand"]][:2]
    (none,) = ask({**query, "facetQuery": "zz"})
    assert none["facetHits"] == []


def test_parameters_may_stand_in_an_address(client, ask):
    params = {
        "query": "red shoe",
        "facets": '["brand"]',
        "hitsPerPage": "5",
        "facetFilters": '[["brand:Nike"]]',
        "numericFilters": '["price<=90"]',
    }
    older = client.post("/1/indexes/shop/query", json={"params": urlencode(params)}).json()
    (newer,) = ask(
        {"params": {"query": "red shoe", "facets": ["brand"], "hitsPerPage": 5},
         "facetFilters": [["brand:Nike"]], "numericFilters": ["price<=90"]}
    )  # fmt: skip
    assert ids(older) == ids(newer)
    assert len(older["hits"]) == 5
    assert older["facets"] == newer["facets"]


def test_how_a_query_was_read_is_told(client, ask):
    (found,) = ask({"query": "nkie shoe", "restrictSearchableAttributes": ["title"]})
    expected = ours(client, text="nkie shoe")
    (told,) = found["userData"]
    assert told["corrected"] == expected["corrected"]
    assert told["recognised"] == expected["recognised"]
    assert told["certainty"]["found"] == expected["certainty"]["found"]
    assert told["ignored"] == ["restrictSearchableAttributes"]


def test_a_click_is_noted_under_its_search(client, ask):
    (found, rest) = ask({"query": "green shoe"}, {"query": "green shoe", "analytics": False})
    assert "queryID" not in rest
    search, first, second = found["queryID"], *ids(found)[:2]
    event = {"eventType": "click", "eventName": "clicked", "index": "shop", "queryID": search}
    events = [
        {**event, "objectIDs": [first], "positions": [1]},
        {**event, "eventType": "conversion", "eventSubtype": "addToCart", "objectIDs": [second]},
        {"eventType": "conversion", "eventSubtype": "purchase", "eventName": "bought",
         "objectIDs": [second], "objectData": [{"queryID": search, "price": 3}]},
        {"eventType": "view", "eventName": "seen", "objectIDs": [first]},
        {**event, "queryID": "0" * 32, "objectIDs": [first], "positions": [1]},
        {**event, "queryID": "old", "objectIDs": [first], "positions": [1]},
        {**event, "objectIDs": ["none"]},
    ]  # fmt: skip
    sent = json.dumps({"events": events})
    told = client.post("/1/events", content=sent, headers={"Content-Type": "text/plain"}).json()
    assert (told["status"], told["noted"], told["known"]) == (200, 3, 0)
    assert [one["event"] for one in told["ignored"]] == [3, 4, 5, 6]
    assert "'old' is not the search_id of an answer" in told["ignored"][2]["reason"]
    again = client.post("/1/events", json={"events": events[:3]}).json()
    assert (again["noted"], again["known"]) == (0, 3)
    noted = {"search_id": search, "product_id": second, "position": 2, "event": "purchase"}
    assert client.post("/feedback", json=noted).json() == {"status": "known"}


def test_events_come_in_the_form_of_ubi(client):
    found = client.post("/search", json={"text": "blue shoe"}).json()
    first = found["results"][0]["product_id"]
    event = {
        "application": "shop",
        "action_name": "item_click",
        "query_id": found["search_id"],
        "client_id": "visitor",
        "timestamp": "2026-01-31T12:00:00Z",
        "event_attributes": {
            "object": {"object_id": first, "object_id_field": "product_id"},
            "position": {"ordinal": 1},
        },
    }
    assert client.post("/events", json=event).json()["noted"] == 1
    cart = {**event, "action_name": "add_to_cart"}
    told = client.post("/events", json=[event, cart, {"action_name": "scroll"}]).json()
    assert (told["noted"], told["known"], len(told["ignored"])) == (1, 1, 1)
    assert "click" in told["ignored"][0]["reason"]
    problem(client.post("/events", json=[{"query_id": "x"}]), 422, "bad_request")


def test_a_key_stands_where_the_client_puts_it(index, tmp_path):
    other = shutil.copytree(index, tmp_path / "index")
    keys = load_keys(write_keys(tmp_path / "keys.yaml"))
    body = {"requests": [{"indexName": "shop"}]}
    with serving(other, keys, origins=("https://shop.example",)) as client:
        told = client.post(QUERIES, json=body)
        problem(told, 401, "no_key")
        assert "key" in told.json()["message"]
        key = SECRETS["front"]
        named = {"x-algolia-application-id": "any", "x-algolia-api-key": key}
        assert client.post(QUERIES, json=body, headers=named).status_code == 200
        assert client.post(f"{QUERIES}?{urlencode(named)}", json=body).status_code == 200
        events = "/1/events?X-Algolia-API-Key=" + key
        assert client.post(events, json={"events": []}).json()["message"] == "OK"
        problem(client.post("/search?x-algolia-api-key=" + key, json={}), 401, "no_key")
        asked = {
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-algolia-api-key,x-algolia-application-id",
        }
        assert client.options(QUERIES, headers=asked).status_code == 200


def test_letters_on_the_way_to_a_query_are_no_questions(client, index):
    shopper = {"userToken": "typist"}
    letters = [{"query": text, **shopper} for text in ("gr", "gree", "green shirt", "green shir")]
    for query in letters:
        asked(client, query)
    other, _ = asked(client, {"query": "puma", **shopper}, {"query": "puma", "page": 1, **shopper})
    click = {"eventType": "click", "eventName": "clicked", "index": "shop", "positions": [1]}
    click |= {"queryID": other["queryID"], "objectIDs": ids(other)[:1]}
    assert client.post("/1/events", json={"events": [click]}).json()["noted"] == 1
    searches, _ = read_log(index)
    logged = {
        row["text"]: row["follow_up"]
        for row in searches.filter(pl.col("offset") == 0).iter_rows(named=True)
        if row["text"] in {query["query"] for query in letters} | {"puma"}
    }
    assert logged == {
        "gr": True, "gree": True, "green shirt": True, "green shir": False, "puma": False
    }  # fmt: skip


def asked(client, *queries):
    sent = {"requests": [{"indexName": "shop", **query} for query in queries]}
    return client.post(QUERIES, json=sent).json()["results"]


@pytest.mark.parametrize(
    ("before", "after", "is_so"),
    [
        ("re", "red", True),
        ("red", "re", True),
        ("Re", "red shoe", True),
        ("red", "red", False),
        ("red", "blue", False),
        (None, "red", False),
        ("red", None, False),
    ],
)
def test_a_text_is_on_the_way_where_one_begins_the_other(before, after, is_so):
    assert is_on_the_way(before, after) is is_so


def test_a_text_is_a_question_after_a_while(monkeypatch):
    recorded = []
    typed = TypedSearches(
        lambda answer, request, follow_up: recorded.append((answer.text, follow_up))
    )
    typed.search("a", made_answer("1" * 32, text="red"), SearchRequest(text="red"))
    typed.search("b", made_answer("2" * 32, text="blue"), SearchRequest(text="blue"))
    typed.tick()
    assert recorded == []
    typed.settle("2" * 32)
    typed.tick(still=0)
    typed.tick(still=0)
    assert recorded == [("blue", False), ("red", False)]
    monkeypatch.setattr("windowshop.service.instantsearch.typed.MAX_SHOPPERS", 1)
    for name in "cde":
        typed.search(name, made_answer(text=name), SearchRequest(text=name))
    assert recorded[2:] == [("c", False), ("d", False)]
