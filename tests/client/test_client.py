"""The Python client against the real service, blocking and asynchronous."""

import asyncio
import inspect
import json
import shutil
import subprocess
import sys
from decimal import Decimal
from typing import get_type_hints

import httpx2
import pytest
from support.blocking import run_without
from support.browsing import served
from support.services import SECRETS, write_keys
from support.shops import image_bytes

from windowshop.client import (
    AsyncWindowshop,
    BusyError,
    EventsAnswer,
    FacetsAnswer,
    Hit,
    KeyRefusedError,
    NoAnswerError,
    RequestRefusedError,
    SearchAnswer,
    SearchOptions,
    ServiceFaultError,
    ServiceProblem,
    UnknownError,
    Windowshop,
    connection,
)
from windowshop.client import answers as types
from windowshop.errors import ConfigError, WindowshopError
from windowshop.service.http import responses
from windowshop.service.http.api_keys import load_keys
from windowshop.service.http.requests import SearchBody


@pytest.fixture(scope="module")
def index(colours_index, tmp_path_factory):
    return shutil.copytree(colours_index, tmp_path_factory.mktemp("client") / "index")


@pytest.fixture(scope="module")
def address(index):
    with served(index, also=()) as address:
        yield address


class Blocking:
    """The asynchronous client, called as the blocking one is."""

    def __init__(self, *args, **options):
        self._runner = asyncio.Runner()
        self._client = AsyncWindowshop(*args, **options)

    def __getattr__(self, name):
        found = getattr(self._client, name)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *args, **options: self._runner.run(found(*args, **options))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._runner.run(self._client.__aexit__(*error))
        self._runner.close()


@pytest.fixture(params=[Windowshop, Blocking])
def kind(request):
    return request.param


def test_every_call_works_against_the_service(kind, address, tmp_path):
    with kind(address) as shop:
        answer = shop.search("red shoe", limit=3, facets=["brand"])
        assert len(answer["results"]) == 3
        assert answer["text"] == "red shoe"
        assert shop.search()["total"] > 3
        first = answer["results"][0]
        assert len(shop.similar(first["product_id"], limit=2)["results"]) == 2
        assert shop.product("p3")["product_id"] == "p3"
        assert all(item["text"] for item in shop.suggest("sho"))
        assert shop.facets(["brand"], where="price > 1")["facets"][0]["column"] == "brand"
        assert shop.info()["generations"]

        (tmp_path / "photo.png").write_bytes(image_bytes(1, size=(40, 40)))
        seen = shop.search_image(tmp_path / "photo.png", "but red", limit=1)
        assert len(seen["results"]) == 1
        again = shop.search_image((tmp_path / "photo.png").read_bytes(), "but red", limit=1)
        assert again["results"][0]["product_id"] == seen["results"][0]["product_id"]
        assert httpx2.get(shop.photo_url("p4", 64)).headers["content-type"] == "image/jpeg"

        assert shop.feedback(answer, first)
        assert not shop.feedback(answer, first, "click")
        event = {
            "action_name": "add_to_cart",
            "query_id": answer["search_id"],
            "event_attributes": {"object": {"object_id": first["product_id"]}},
        }
        assert shop.events([event, {"action_name": "scroll"}])["noted"] == 1
        query = f"red shoe of {kind.__name__}"
        shop.grade(query, first["product_id"], 3, judge="ann")
        assert shop.grades(query) == {first["product_id"]: 3}
        shop.grade(query, first["product_id"], None, judge="ann")
        assert shop.grades(query, judge="ann") == {}

        rows = [{"product_id": f"n{i}/ü", "title": "red shoe", "price": i} for i in range(3)]
        rows[1]["price"] = Decimal("9.5")
        written = shop.upsert([*rows[:1], {"title": "no id"}, rows[2]])
        assert (written["num_done"], written["num_failed"]) == (2, 1)
        assert written["results"][1]["status"] == "failed"
        assert shop.product("n2/ü")["price"] == 2
        gone = shop.delete(name for name in ("n0/ü", "n2/ü", "none"))
        assert (gone["num_done"], gone["num_failed"]) == (2, 0)
        assert gone["results"][2]["status"] == "absent"
        alone = shop.upsert({"product_id": "alone", "title": "red shoe"})
        assert alone["num_done"] == shop.delete("alone")["num_done"] == 1
        assert shop.facets("brand") == shop.facets(["brand"])


def test_large_writes_go_in_parts(kind, address, monkeypatch):
    monkeypatch.setattr("windowshop.client.calls.BATCH", 2)
    rows = [{"product_id": f"b{i}", "title": "blue shirt"} for i in range(5)]
    with kind(address) as shop:
        assert shop.upsert(iter(rows))["num_done"] == 5
        assert shop.delete([row["product_id"] for row in rows])["num_done"] == 5
        assert shop.upsert([]) == {"results": [], "num_done": 0, "num_failed": 0}


def test_problems_have_a_kind_and_the_words_of_the_service(kind, address):
    with kind(address) as shop:
        with pytest.raises(RequestRefusedError, match=r"Did you mean limit\?") as refused:
            shop.search("x", size=3)
        told = refused.value
        assert (told.status, told.code, told.where) == (422, "bad_request", "size")
        with pytest.raises(RequestRefusedError, match="colr") as refused:
            shop.search("x", where="colr = 1")
        assert refused.value.code == "bad_filter"
        with pytest.raises(UnknownError, match="no product 'none'") as unknown:
            shop.product("none")
        assert unknown.value.code == "unknown_product"
        with pytest.raises(RequestRefusedError, match="image cannot be used"):
            shop.search_image(b"no image")


def test_a_key_is_sent_and_its_refusal_named(kind, index, tmp_path):
    other = shutil.copytree(index, tmp_path / "index", ignore=shutil.ignore_patterns("*.lock"))
    keys = load_keys(write_keys(tmp_path / "keys.yaml"))
    with served(other, keys, also=()) as address:
        with kind(address) as shop, pytest.raises(KeyRefusedError, match="needs a key"):
            shop.info()
        with kind(address, key=SECRETS["front"]) as shop:
            assert shop.info()["scopes"] == ["search"]
            with pytest.raises(KeyRefusedError, match="needs write") as refused:
                shop.delete(["p1"])
            assert refused.value.code == "wrong_scope"


def answering(*answers):
    """A transport that gives these answers in turn, and what it was asked."""
    asked = []

    def handler(request):
        asked.append(request)
        given = answers[min(len(asked), len(answers)) - 1]
        if isinstance(given, Exception):
            raise given
        status, body, headers = given
        return httpx2.Response(status, content=body, headers=headers)

    return httpx2.MockTransport(handler), asked


BUSY = (503, b'{"error": {"code": "busy", "message": "Try again."}}', {"Retry-After": "0"})
FINE = (200, b'{"suggestions": []}', {})


@pytest.fixture
def no_waiting(monkeypatch):
    monkeypatch.setattr(connection, "FIRST_WAIT", 0.001)


@pytest.mark.parametrize("trouble", [
    BUSY,
    (429, b"{}", {}),
    (502, b"<html>no answer from upstream</html>", {}),
    httpx2.ConnectError("refused"),
    httpx2.RemoteProtocolError("cut off"),
])  # fmt: skip
def test_what_may_pass_is_asked_again(kind, no_waiting, trouble):
    transport, asked = answering(trouble, trouble, FINE)
    with kind("http://shop.example", transport=transport) as shop:
        assert shop.suggest("x") == []
    assert len(asked) == 3


@pytest.mark.parametrize(("trouble", "error"), [
    (BUSY, BusyError),
    ((507, BUSY[1], {"Retry-After": "soon"}), BusyError),
    (httpx2.ConnectError("refused"), NoAnswerError),
])  # fmt: skip
def test_it_gives_up_after_the_last_try(kind, no_waiting, trouble, error):
    transport, asked = answering(trouble)
    one = {"transport": transport, "retries": 1}
    with kind("http://shop.example", **one) as shop, pytest.raises(error) as found:
        shop.suggest("x")
    assert len(asked) == 2
    assert isinstance(found.value, WindowshopError)
    assert found.value.retry_after == (0.0 if trouble is BUSY else None)


@pytest.mark.parametrize(("trouble", "error", "says"), [
    ((500, b'{"error": {"code": "internal", "message": "error 12"}}', {}), ServiceFaultError, "12"),
    ((400, b"[]", {}), RequestRefusedError, "no answer of a windowshop service"),
    ((200, b"<html>", {}), ServiceFaultError, "no answer of a windowshop service"),
    (httpx2.ReadTimeout("slow"), NoAnswerError, "no answer in time"),
])  # fmt: skip
def test_what_will_not_pass_is_told_at_once(kind, no_waiting, trouble, error, says):
    transport, asked = answering(trouble)
    address = "http://shop.example"
    with kind(address, transport=transport) as shop, pytest.raises(error, match=says):
        shop.suggest("x")
    assert len(asked) == 1


def test_nobody_at_the_address_is_named(kind, no_waiting):
    says = r"http://127.0.0.1:9/info: .*Start the service"
    with kind("http://127.0.0.1:9/") as shop, pytest.raises(NoAnswerError, match=says):
        shop.info()
    for wrong in ("127.0.0.1:9", "http://[::1", "ftp://me:secret@host"):
        with pytest.raises(ConfigError, match="is no address of a service") as raised:
            kind(wrong)
        assert "secret" not in str(raised.value)


def test_an_answer_that_cannot_be_unpacked_is_named(kind, no_waiting):
    def answer(request):
        return httpx2.Response(200, headers={"Content-Encoding": "gzip"}, content=b"no gzip")

    address = "http://me:secret@shop.example"
    with (
        kind(address, transport=httpx2.MockTransport(answer)) as shop,
        pytest.raises(
            NoAnswerError, match=r"http://shop.example/info: .*incorrect header"
        ) as raised,
    ):
        shop.info()
    assert "secret" not in str(raised.value)


def test_waits_double_and_keep_to_what_the_service_says():
    client = Windowshop("http://shop.example", retries=9)
    for attempt, most in ((0, 0.3), (1, 0.6), (3, 2.4)):
        wait = client._wait(BusyError("busy"), attempt)
        assert most / 3 <= wait <= most
    assert client._wait(BusyError("busy", retry_after=3.0), 0) == 3.0
    assert client._wait(BusyError("busy", retry_after=999.0), 0) == connection.LONGEST_WAIT
    client.close()


@pytest.mark.parametrize(("ours", "model"), [
    (SearchAnswer, responses.SearchAnswer),
    (Hit, responses.ResultAnswer),
    (types.Recognised, responses.RecognisedAnswer),
    (types.Certainty, responses.CertaintyAnswer),
    (FacetsAnswer, responses.FacetsAnswer),
    (types.Suggested, responses.SuggestedText),
    (EventsAnswer, responses.EventsAnswer),
])  # fmt: skip
def test_the_types_are_those_of_the_service(ours, model):
    assert set(get_type_hints(ours)) == set(model.model_fields)


def test_the_options_are_those_of_the_service():
    assert set(get_type_hints(SearchOptions)) == set(SearchBody.model_fields) - {"text"}


def test_both_clients_have_the_same_calls():
    def calls(client):
        found = inspect.getmembers(client, inspect.isfunction)
        return {
            name: inspect.signature(call)
            for name, call in found
            if not name.startswith("_") or name == "__init__"
        }

    ours, theirs = calls(Windowshop), calls(AsyncWindowshop)
    assert ours.keys() == theirs.keys()
    for name in ours.keys() - {"__init__"}:
        assert ours[name] == theirs[name], name


def test_it_is_light():
    code = (
        "import json, sys, windowshop.client as c\n"
        "c.Windowshop, c.AsyncWindowshop\n"
        "heavy = {'torch', 'polars', 'numpy', 'fastapi', 'pydantic', 'transformers', 'orjson'}\n"
        "print(json.dumps(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_what_is_missing_is_named():
    done = run_without({"httpx2"}, "from windowshop.client import Windowshop")
    assert "Run pip install 'windowshop[client]'" in done.stderr


def test_a_problem_is_an_error_of_windowshop():
    assert issubclass(ServiceProblem, WindowshopError)
