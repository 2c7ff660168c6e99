"""The parts of the service, each alone."""

import asyncio
import io
import itertools
import json
import shutil
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.bodies import body, drained
from support.services import made_answer, serving
from support.shops import image_bytes

from windowshop.errors import ConfigError
from windowshop.service.http.access import call_of, encoded_path
from windowshop.service.http.errors import ServiceError, shortened
from windowshop.service.http.executor import Executor
from windowshop.service.http.limits import BodyLimit, RateLimits, limited_receive, limited_send
from windowshop.service.http.responses import search_json
from windowshop.service.http.room import BodyMemory, HeldBody
from windowshop.service.thumbnails import Thumbnails
from windowshop.service.writes.products import Product, Refused, batches_of
from windowshop.service.writes.stream import lines


def test_an_answer_leaves_without_paths_and_numbers_that_json_lacks():
    told = json.loads(search_json(made_answer(products=("a/b", "p2"))))
    first, second = told["results"]
    assert (first["photo_url"], second["photo_url"]) == (None, "/products/p2/photo")
    assert first["fields"] == {"product_id": "a/b"}
    assert first["price"] is None
    assert list(told)[-1] == "results"
    assert "srv" not in json.dumps(told)


@pytest.mark.parametrize(
    ("method", "path", "route", "scope"),
    [
        ("POST", "/search", "/search", "search"),
        ("PUT", "/products", "/products", "write"),
        ("DELETE", "/products", "/products", "write"),
        ("GET", "/products/x", "/products/id", "search"),
        ("GET", "/products/a%2Fb/photo", "/products/id/photo", "search"),
        ("GET", "/products/x/else", "other", "search"),
        ("GET", "/judgements", "/judgements", "search"),
        ("POST", "/judgements", "/judgements", "write"),
        ("POST", "/admin/switch", "/admin/switch", "admin"),
        ("POST", "/admin/new", "other", "admin"),
        ("GET", "/metrics", "/metrics", "admin"),
        ("GET", "/health", "/health", None),
        ("GET", "/static/js/a.js", "/static", None),
        ("GET", "/anything/else", "other", "search"),
    ],
)
def test_every_call_has_its_scope(method, path, route, scope):
    call = call_of(method, path)
    assert (call.route, call.scope) == (route, scope)


def test_ids_are_routed_as_they_were_sent():
    scope = {"path": "/products/a/b/photo", "raw_path": b"/products/a%2Fb/photo?size=3"}
    assert encoded_path(scope) == "/products/a%2Fb/photo"
    assert encoded_path({"path": "/search", "raw_path": b"/se%61rch"}) == "/search"


def test_rates_are_counted_for_each_client():
    rates = RateLimits("2/hour", 3)
    for _ in range(2):
        rates.check("a")
    with pytest.raises(ServiceError, match="more than 2 per 1 hour") as caught:
        rates.check("a")
    assert caught.value.status == 429
    rates.check("b")
    for _ in range(6):
        rates.check("a", image=True)
    with pytest.raises(ServiceError):
        rates.check("a", image=True)
    for _ in range(100):
        RateLimits(None, 1).check("a")
    with pytest.raises(ConfigError, match="write a rate"):
        RateLimits("often", 1)


def no_memory():
    """The memory of a body that is small."""
    return HeldBody(BodyMemory(0, 0.1), "", 1_000)


def test_a_body_is_limited_while_it_is_read():
    limit = BodyLimit(10, 5)
    assert asyncio.run(
        drained(limited_receive(body(b"12345", b"67890"), limit, None, no_memory()))
    ) == (b"1234567890")
    for parts in ((b"12345", b"678901"), (b"x" * 11,)):
        with pytest.raises(ServiceError) as caught:
            asyncio.run(drained(limited_receive(body(*parts), limit, None, no_memory())))
        assert caught.value.status == 413
    with pytest.raises(ServiceError):
        limited_receive(body(b""), limit, b"11", no_memory())
    endless = limited_receive(body(*[b"x" * 10] * 50), BodyLimit(None, 5), b"500", no_memory())
    assert len(asyncio.run(drained(endless))) == 500


def test_a_body_is_limited_in_time():
    slow = limited_receive(body(*[b"x"] * 6, pause=0.03), BodyLimit(99, 0.1), None, no_memory())
    with pytest.raises(ServiceError) as caught:
        asyncio.run(drained(slow))
    assert caught.value.status == 408
    pieces = [b"x"] * 6  # a stream may take its time, but for its pauses
    paused = limited_receive(body(*pieces, pause=0.03), BodyLimit(None, 0.1), None, no_memory())
    assert asyncio.run(drained(paused)) == b"xxxxxx"
    with pytest.raises(ServiceError):
        asyncio.run(
            drained(
                limited_receive(body(*pieces, pause=0.2), BodyLimit(None, 0.1), None, no_memory())
            )
        )


def test_a_client_that_does_not_read_is_given_up():
    async def stuck(message):
        await asyncio.sleep(10)

    with pytest.raises(Exception, match="^$") as caught:
        asyncio.run(limited_send(stuck, 0.05)({"type": "http.response.body"}))
    assert type(caught.value).__name__ == "ClientDisconnect"


def test_calls_run_in_threads_and_pass_errors_on():
    async def work():
        executor = Executor("t", 2, 10, 5)
        results = await asyncio.gather(*(executor.run(lambda i=i: i * i) for i in range(12)))
        with pytest.raises(ZeroDivisionError):
            await executor.run(lambda: 1 / 0)
        return results, executor.num_pending

    assert asyncio.run(work()) == ([i * i for i in range(12)], 0)


def test_only_so_many_calls_run_at_once():
    running, most = [], []

    def call():
        running.append(1)
        most.append(len(running))
        time.sleep(0.01)
        running.pop()

    async def work():
        executor = Executor("t", 2, 10, 5)
        await asyncio.gather(*(executor.run(call) for _ in range(12)))

    asyncio.run(work())
    assert max(most) == 2


def test_calls_that_cannot_be_done_soon_are_refused():
    going, ran = threading.Event(), []

    async def work():
        executor = Executor("t", 1, 1, 5)
        first = asyncio.ensure_future(executor.run(lambda: going.wait(120)))
        second = asyncio.ensure_future(executor.run(lambda: ran.append(1)))
        await asyncio.sleep(0.01)
        with pytest.raises(ServiceError, match="under way") as busy:
            await executor.run(lambda: None)
        assert executor.num_pending == 2
        second.cancel()
        await asyncio.wait([second])
        assert executor.num_pending == 1
        going.set()
        assert await first is True
        assert executor.num_pending == 0
        assert await executor.run(lambda: "again") == "again"
        return busy.value

    assert asyncio.run(work()).headers == {"Retry-After": "1"}
    assert ran == []  # nobody waited for it any more


def test_a_call_that_takes_too_long_counts_until_it_ends():
    going = threading.Event()

    async def work():
        executor = Executor("t", 1, 1, 0.05)
        with pytest.raises(ServiceError, match=r"more than 0\.05 s"):
            await executor.run(lambda: going.wait(120))
        ran = []
        with pytest.raises(ServiceError, match=r"more than 0\.05 s"):
            await executor.run(lambda: ran.append("beside the first"))
        assert executor.num_pending == 1
        late = asyncio.create_task(executor.run(lambda: None))
        await asyncio.sleep(0)
        with pytest.raises(ServiceError, match="under way"):
            await executor.run(lambda: None)
        with pytest.raises(ServiceError, match=r"more than 0\.05 s"):
            await late
        assert ran == []
        going.set()
        while executor.num_pending:
            await asyncio.sleep(0.01)
        assert await executor.run(lambda: "again") == "again"

    asyncio.run(work())


async def nothing(num_bytes):
    """Hold no memory."""


LINES = st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line), max_size=8)


@given(LINES, st.integers(1, 7), st.booleans())
def test_lines_are_the_same_however_they_come(parts, size, ended):
    most = 6
    content = b"\n".join(parts) + (b"\n" if ended else b"")
    chunks = [content[i : i + size] for i in range(0, len(content), size)] or [b""]

    async def read():
        return [line async for line in lines(body(*chunks), most, nothing)]

    expected = [
        (i + 1, line if len(line) <= most else None)
        for i, line in enumerate(content.split(b"\n"))
        if line.strip() or len(line) > most
    ]
    assert [(line.number, line.content) for line in asyncio.run(read())] == expected


def test_a_stream_that_pauses_says_so_and_one_that_breaks_ends():
    async def read(receive):
        return [line and line.content async for line in lines(receive, 99, nothing)]

    assert asyncio.run(read(body(b"a\n", b"b", pause=0.3)))[:2] == [None, b"a"]
    broken = [{"type": "http.request", "body": b"a\nb", "more_body": True}]

    async def receive():
        return broken.pop() if broken else {"type": "http.disconnect"}

    assert asyncio.run(read(receive)) == [b"a"]  # half a line is no product


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 3000), st.booleans())),
    st.integers(1, 5),
)
def test_batches_keep_the_order_and_have_each_id_once(told, most):
    items = [
        Product({"product_id": name}, bytes(size)) if is_good else Refused(name, "why")
        for name, size, is_good in told
    ]
    parts = list(batches_of(items, most, 5_000))
    assert list(itertools.chain(*parts)) == items
    for part in parts:
        names = [item.row["product_id"] for item in part if isinstance(item, Product)]
        assert len(names) == len(set(names))
        assert 1 <= len(part) <= most
        sizes = [len(item.image) + 1_000 for item in part if isinstance(item, Product)]
        assert len(part) == 1 or sum(sizes) <= 5_000


def test_thumbnails_stay_within_their_memory(tmp_path):
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(image_bytes(i, size=(64, 32)))
    thumbnails = Thumbnails(6_000)
    made = {}
    for i, size in itertools.product(range(4), (16, 64)):
        path = tmp_path / f"{i}.png"
        made[i, size] = thumbnails.get(path, size, thumbnails.etag(path, size))
        assert sum(map(len, thumbnails._kept.values())) == thumbnails._num_bytes <= 6_000
    assert Image.open(io.BytesIO(made[0, 16])).size == (16, 8)
    assert len({*made.values()}) == 8
    last = thumbnails.etag(tmp_path / "3.png", 64)
    (tmp_path / "3.png").unlink()
    assert thumbnails.get(tmp_path / "3.png", 64, last) == made[3, 64]  # kept
    with pytest.raises(ServiceError, match="gone"):
        thumbnails.etag(tmp_path / "3.png", 64)


@pytest.mark.parametrize("side", [64, 2000])
def test_a_thumbnail_has_none_of_the_notes(tmp_path, side):
    exif = Image.Exif()
    exif[0x010F] = "secret camera"
    notes = {"exif": exif, "comment": b"secret comment", "icc_profile": b"secret profile" * 20}
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (side, side), "red").save(path, **notes)
    assert b"secret" in path.read_bytes()
    thumbnails = Thumbnails(2**20)
    assert b"secret" not in thumbnails.get(path, 64, thumbnails.etag(path, 64))


def test_a_request_waits_for_a_slow_body_only_so_long(colours_index, tmp_path_factory):
    index = shutil.copytree(colours_index, tmp_path_factory.mktemp("slow") / "index")
    with serving(index, body_seconds=0.1) as client:
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/search",
            "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
            "client": ("127.0.0.1", 1),
        }
        sent = []

        async def send(message):
            sent.append(message)

        asyncio.run(client.app(scope, body(*[b"{"] * 99, pause=0.02), send))
        assert sent[0]["status"] == 408
        assert json.loads(sent[1]["body"])["error"]["code"] == "too_slow"


def test_long_messages_lose_their_middle():
    assert shortened("short") == "short"
    assert len(shortened("x" * 10_000)) == 605
    assert shortened("\ud800") == "?"
