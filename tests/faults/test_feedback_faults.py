"""Events and grades over HTTP, while the service is killed or cannot write.

What was acknowledged is there once, in its latest version, and nothing that was not sent.
"""

import os
import random
import resource
import shutil
import signal
import sqlite3
import threading
import time
from collections import defaultdict
from contextlib import closing, suppress
from http.client import HTTPException

import pytest
from support.faults import some, tried
from support.killing import CONTEXT
from support.logs import judging_in, logging_to
from support.services import Server, made_answer, wait_until

from windowshop.index import DATABASE_FILE, Database
from windowshop.search.request import SearchRequest
from windowshop.service.http.requests import FeedbackBody, JudgementBody
from windowshop.service.logs.feedback import read_log
from windowshop.service.logs.tables import GRADES, read_tables

pytestmark = pytest.mark.slow
KINDS = ("click", "cart", "purchase")


class Client:
    """Searches, reports and grades, and keeps what was sent and what was acknowledged."""

    def __init__(self, number):
        self._name, self._rng = f"judge {number}", random.Random(number)
        self.searches = []
        self.sent, self.acknowledged = set(), set()
        self.grades = defaultdict(lambda: ["none"])
        """Grades that may be there, by product: the latest acknowledged, and those sent since."""
        self.flushed = 0
        """Searches that an acknowledged event came after."""

    def run(self, server, stop):
        """Go on until the service is gone."""
        with suppress(OSError, ValueError, HTTPException):
            while not stop.is_set():
                told = server.ask("POST", "/search", {"text": "shoe", "limit": 3})
                assert told[0] == 200, told
                self.searches.append(told[1]["search_id"])
                for _ in range(self._rng.randrange(4)):
                    self.report(server)
                    self.grade(server)

    def forget(self):
        """Forget the searches that a kill may have cost."""
        del self.searches[self.flushed :]

    def report(self, server):
        search_id = self._rng.choice(self.searches[-3:])
        event = (search_id, f"p{self._rng.randrange(9)}", self._rng.randrange(1, 9))
        event += (self._rng.choice(KINDS),)
        self.send(server, event)

    def send(self, server, event):
        """Report an event; returns the status."""
        num_searches, was_known = len(self.searches), event in self.acknowledged
        self.sent.add(event)
        names = ("search_id", "product_id", "position", "event")
        status, told = server.ask("POST", "/feedback", dict(zip(names, event, strict=True)))
        if status == 404 and event[0] not in self.searches[: self.flushed]:
            return status  # the search was lost with the process before its group was written
        if status == 200:
            assert told["status"] == "known" or not was_known, event
            self.acknowledged.add(event)
            self.flushed = num_searches
        else:
            assert status in (503, 507), (status, told)
        return status

    def grade(self, server):
        product, grade = f"p{self._rng.randrange(9)}", self._rng.choice((None, 0, 1, 2, 3))
        self.grades[product].append(grade)
        body = {"query": "Red shoe", "product_id": product, "judge": self._name, "grade": grade}
        status, told = server.ask("POST", "/judgements", body)
        if status == 200:
            self.grades[product] = [grade]
        else:
            assert status in (503, 507), (status, told)

    def check(self, searches, events, grades):
        """Compare what is there with what was sent and acknowledged."""
        own = [event for event in events if event[0] in set(self.searches)]
        assert len(own) == len(set(own))
        assert self.acknowledged <= set(own) <= self.sent
        assert set(self.searches[: self.flushed]) <= searches
        for product, sent in self.grades.items():
            found = grades.get((product, self._name), ())
            assert len(found) <= 1
            assert (found[0] if found else "none") in sent


def check(index, clients):
    with closing(Database(index, read_only=True)) as database:
        database.check()
    searches, events = read_log(index)
    assert searches["search_id"].is_unique().all()
    grades = defaultdict(list)
    for _, _, product, judge, _, grade, _ in read_tables(index, GRADES)[0]:
        grades[product, judge].append(grade)
    names = set(searches["search_id"])
    rows = events.select("search_id", "product_id", "position", "event").rows()
    assert {name for name, *_ in rows} <= names
    for client in clients:
        client.check(names, rows, grades)


def administer(server, stop):
    """Write products and look after the index."""
    with suppress(OSError, ValueError, HTTPException):
        while not stop.is_set():
            row = {"product_id": "new", "title": f"at {time.monotonic()}"}
            server.ask("PUT", "/products", {"products": [row]})
            for call in ("optimise", "compact"):
                server.ask("POST", f"/admin/{call}")


def test_acknowledged_events_and_grades_survive_kills(colours_index, tmp_path):
    index = shutil.copytree(colours_index, tmp_path / "index")
    rng = random.Random(0)
    clients = [Client(number) for number in range(3)]
    for number in range(some(4, 300)):
        with Server(index) as server:
            server.wait_ready()
            for client in clients:
                for event in sorted(client.acknowledged)[:2]:
                    client.send(server, event)  # known after any number of kills
            stop = threading.Event()
            threads = [threading.Thread(target=c.run, args=(server, stop)) for c in clients]
            if number % 2:
                threads.append(threading.Thread(target=administer, args=(server, stop)))
            for thread in threads:
                thread.start()
            time.sleep(rng.uniform(0.1, 2.0))
            if number == 0:  # a busy machine may have answered none yet
                wait_until(lambda: all(client.acknowledged for client in clients))
            server.process.kill()
            tried("kill", "server under events and grades", admin=bool(number % 2))
            stop.set()
            for thread in threads:
                thread.join()
        check(index, clients)
        for client in clients:
            client.forget()
    assert all(client.acknowledged for client in clients)


def test_a_disk_that_takes_no_more_refuses_and_recovers(colours_index, tmp_path):
    """Files may grow no further, by chance in the midst of a write; then they may again."""
    index = shutil.copytree(colours_index, tmp_path / "index")
    rng = random.Random(1)
    client, num_refused = Client(0), 0
    with Server(index) as server:
        server.wait_ready()
        pid = server.process.pid
        hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
        client.searches.append(server.ask("POST", "/search", {"text": "shoe"})[1]["search_id"])
        client.report(server)
        wal = index / f"{DATABASE_FILE}-wal"
        for _ in range(some(5, 200)):
            room = wal.stat().st_size + rng.randrange(12_000)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (room, hard))
            refused = None
            for position in range(10, 40):
                told = server.ask("POST", "/search", {"text": "red shoe"})
                assert told[0] == 200
                client.searches.append(told[1]["search_id"])
                event = (client.searches[-1], "p1", position, "click")
                if client.send(server, event) != 200:
                    refused = event
                    break
            if refused:
                num_refused += 1
                client.grade(server)
                assert server.ask("GET", "/ready")[0] == 200
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
            if refused:
                assert client.send(server, refused) == 200
                tried("full disk", "server under events and grades")
            client.grade(server)
        assert server.end()[0] == 0
    assert num_refused
    check(index, [client])


STATEMENTS = 160
"""More than what `record` takes."""


def record(index, out, number):
    """Record a little, and die before the given statement; note what was done."""

    class Counted(sqlite3.Connection):
        left = number

        def execute(self, *arguments):
            Counted.left -= 1
            if not Counted.left:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().execute(*arguments)

    connect = sqlite3.connect
    sqlite3.connect = lambda *args, **kwargs: connect(*args, factory=Counted, **kwargs)
    file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with logging_to(index) as log, judging_in(index) as judges:
        for position in (1, 2):
            name = f"{number:016x}{position:016x}"
            log.search(made_answer(name), SearchRequest(text="red shoe"))
            body = {"search_id": name, "product_id": "p1", "position": position, "event": "click"}
            assert log.event(FeedbackBody(**body))
            os.write(file, f"{name}\n".encode())
            judges.add(JudgementBody(query="red", product_id=f"p{position}", grade=number % 4))
            os.write(file, f"p{position} {number % 4}\n".encode())


def test_kills_before_any_statement_lose_nothing(tmp_path):
    index, out = tmp_path / "index", tmp_path / "done"
    codes = []
    for number in range(1, STATEMENTS, some(16, 1)):
        child = CONTEXT.Process(target=record, args=(index, out, number))
        child.start()
        child.join(600)
        codes.append(child.exitcode)
        assert child.exitcode in (0, -signal.SIGKILL)
        if child.exitcode:
            tried("kill", "process that records events and grades")
        lines = out.read_text().split("\n")[:-1] if out.exists() else []
        events = read_log(index)[1]["search_id"].to_list()
        assert {line for line in lines if " " not in line} <= set(events)
        assert len(events) == len(set(events))
        last = dict(line.split() for line in lines if " " in line)
        found = {row[2]: row[5] for row in read_tables(index, GRADES)[0]}
        newer = {name: grade for name, grade in found.items() if str(grade) != last.get(name)}
        assert set(last) <= set(found)
        assert set(newer.values()) <= {number % 4}  # written, and killed before it was noted
        if index.exists():
            with closing(Database(index)) as database:
                database.check()
    assert -signal.SIGKILL in codes
    assert codes[-1] == 0
