"""Room that clients share: threads, places, and memory for large bodies."""

import asyncio
import json
import threading

import pytest
from support.bodies import body, drained

from windowshop.service.http.errors import ServiceError
from windowshop.service.http.executor import Executor
from windowshop.service.http.limits import BodyLimit, limited_receive
from windowshop.service.http.room import CLIENT, BodyMemory, HeldBody, Places
from windowshop.service.writes.products import read_removal
from windowshop.service.writes.stream import ProductStream


def test_clients_are_served_by_turns_and_the_one_with_most_calls_makes_room():
    going, order = threading.Event(), []

    async def ask(executor, client, name):
        CLIENT.set(client)
        await executor.run(lambda: order.append(name))

    async def work():
        executor = Executor("t", 1, 4, 5)
        first = asyncio.create_task(executor.run(lambda: going.wait(120)))
        await asyncio.sleep(0)
        many = [asyncio.create_task(ask(executor, "a", f"a{i}")) for i in range(4)]
        await asyncio.sleep(0)
        few = [asyncio.create_task(ask(executor, "b", f"b{i}")) for i in range(3)]
        await asyncio.sleep(0)
        assert executor.num_pending == 5
        going.set()
        told = await asyncio.gather(*many, *few, return_exceptions=True)
        await first
        return [getattr(error, "status", None) for error in told], executor.num_pending

    statuses, num_pending = asyncio.run(work())
    assert order == ["a0", "b0", "a1", "b1"]
    assert statuses == [None, None, 503, 503, None, None, 503]  # of equal ones, the last is refused
    assert num_pending == 0


def test_a_client_has_at_most_half_of_the_places():
    places = Places("requests", 4)
    with places.taken("a"), places.taken("a"):
        with pytest.raises(ServiceError, match="2 requests of a") as caught, places.taken("a"):
            pass
        assert caught.value.status == 503
        full = pytest.raises(ServiceError, match="4 requests")
        with places.taken("b"), places.taken("b"), full, places.taken("c"):
            pass
    with pytest.raises(ZeroDivisionError), places.taken("a"):
        raise ZeroDivisionError
    assert places._taken.total() == 0


def test_large_bodies_wait_for_memory_and_one_client_has_half_of_it():
    async def work():
        memory = BodyMemory(100, 0.2)
        assert await memory.take("a", 1_000) == 50  # its share
        late = asyncio.create_task(memory.take("a", 10))
        assert await memory.take("b", 40) == 40  # the second of a keeps nobody waiting
        third = asyncio.create_task(memory.take("c", 20))
        fourth = asyncio.create_task(memory.take("d", 5))
        await asyncio.sleep(0)
        assert not late.done()
        assert not fourth.done()  # in the order they came
        memory.give("b", 40)
        assert await third == 20
        assert await fourth == 5
        with pytest.raises(ServiceError, match="Large bodies") as caught:
            await late
        assert caught.value.status == 503
        gone = asyncio.create_task(memory.take("a", 10))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        memory.give("a", 50)
        memory.give("c", 20)
        memory.give("d", 5)
        assert (memory._taken.total(), memory._waiting) == (0, [])

    asyncio.run(work())


def test_a_body_holds_memory_only_while_it_is_large():
    async def work():
        memory = BodyMemory(100, 5)
        body = HeldBody(memory, "a", 10)
        await body.hold(10, 40)
        assert (memory._taken.total(), body.seconds) == (0, 0.0)
        await body.hold(11, 40)
        await body.hold(30, 40)
        assert memory._taken.total() == 40
        await asyncio.sleep(0.01)
        assert body.seconds >= 0.01
        await body.hold(0, 40)
        assert memory._taken.total() == 0
        await body.hold(11, 40)
        assert (body.release(), body.release(), memory._taken.total()) == (True, False, 0)

    asyncio.run(work())


def test_a_body_is_not_read_before_there_is_memory_for_it():
    async def work():
        memory, read = BodyMemory(100, 5), []
        await memory.take("b", 50)
        await memory.take("c", 30)

        async def receive():
            read.append(1)
            return {"type": "http.request", "body": b"x" * 30, "more_body": False}

        limit, large = BodyLimit(99, 0.5), HeldBody(memory, "a", 10)
        waiting = asyncio.create_task(drained(limited_receive(receive, limit, b"30", large)))
        await asyncio.sleep(0.6)  # longer than the body may take: its time has not begun
        assert read == []
        memory.give("b", 50)
        assert await waiting == b"x" * 30
        assert memory._taken["a"] == 30
        parts = [b"x" * 8] * 3  # without a length, it is seen while it comes
        chunked = HeldBody(memory, "d", 10)
        memory.give("c", 30)
        assert len(await drained(limited_receive(body(*parts), limit, None, chunked))) == 24
        assert memory._taken["d"] == 50  # its share, for it may become as large as the limit

    asyncio.run(work())


def test_a_line_that_never_ends_is_given_up():
    async def work():
        stream = ProductStream(
            read=read_removal,
            write=None,
            stopping=lambda: False,
            most_products=9,
            most_bytes=99,
            line_bytes=10_000,
            line_seconds=0.1,
            small_bytes=20,
            done=("deleted",),
            only_failed=False,
        )
        sent, memory = [], BodyMemory(100, 5)

        async def send(message):
            sent.append(message.get("body", b""))

        scope = {"state": {"body": HeldBody(memory, "a", 20)}}
        await stream(scope, body(*[b"x" * 10] * 99, pause=0.02), send)
        return json.loads(b"".join(sent))

    assert asyncio.run(work())["error"]["code"] == "too_slow"
