"""Clients of a running service that remember what they sent and what was acknowledged."""

import random
from collections import defaultdict
from contextlib import closing, suppress
from http.client import HTTPException

from windowshop.index import Database
from windowshop.service.logs.feedback import read_log
from windowshop.service.logs.tables import GRADES, read_tables

REFUSED = (503, 507)
KINDS = ("click", "cart", "purchase")
GONE = (OSError, ValueError, HTTPException)
"""Errors of a call whose service died."""


class Feed:
    """Writes products of its own, and keeps the titles that each may have now."""

    def __init__(self, number):
        self._rng = random.Random(number)
        self._ids = [f"f{number}-{i}" for i in range(12)]
        self._version = 0
        self.titles = defaultdict(lambda: [None])
        """By product: the latest that was acknowledged, and what was sent since; None for none."""
        self.num_acknowledged = self.num_refused = 0

    def run(self, server, stop):
        """Go on until the service is gone."""
        with suppress(*GONE):
            while not stop.is_set():
                self.write(server)

    def write(self, server):
        """Write or delete a few products."""
        names = self._rng.sample(self._ids, self._rng.randint(1, 4))
        self._version += 1
        title = None if self._rng.random() < 0.3 else f"thing {self._version}"
        for name in names:
            self.titles[name].append(title)
        if title is None:
            told = server.ask("DELETE", "/products", {"product_ids": names})
        else:
            rows = [{"product_id": name, "title": title, "price": self._version} for name in names]
            told = server.ask("PUT", "/products", {"products": rows})
        if told[0] == 200:
            self.num_acknowledged += 1
            self.titles |= {name: [title] for name in names}
        else:
            assert told[0] in REFUSED, told
            self.num_refused += 1

    def check(self, found):
        """Compare titles that are there with those that may be."""
        for name in self._ids:
            assert found.get(name) in self.titles[name], name
            self.titles[name] = [found.get(name)]


class Shopper:
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
        with suppress(*GONE):
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
        """Report an event under one of the last searches."""
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
            assert status in REFUSED, (status, told)
        return status

    def grade(self, server):
        """Grade a product, or take its grade back."""
        product, grade = f"p{self._rng.randrange(9)}", self._rng.choice((None, 0, 1, 2, 3))
        self.grades[product].append(grade)
        body = {"query": "Red shoe", "product_id": product, "judge": self._name, "grade": grade}
        status, told = server.ask("POST", "/judgements", body)
        if status == 200:
            self.grades[product] = [grade]
        else:
            assert status in REFUSED, (status, told)

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


def administer(server, stop, rng):
    """Look after the index, and change its generation, until the service is gone."""
    calls = [("optimise", None), ("compact", None), ("rollback", None)]
    calls += [("switch", {"generation": name}) for name in ("g1", "g2")]
    with suppress(*GONE):
        while not stop.is_set():
            name, body = rng.choice(calls)
            server.ask("POST", f"/admin/{name}", body)


def titles(server):
    """Return every product's title, as a service tells them."""
    status, told = server.ask("POST", "/search", {"limit": 1000, "log": False})
    assert status == 200, told
    found = [(result["product_id"], result["title"]) for result in told["results"]]
    assert len(found) == len(dict(found)) == told["total"]
    return dict(found)


def check_feedback(index, shoppers):
    """Check the database of an index, and compare events and grades with what shoppers sent."""
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
    for shopper in shoppers:
        shopper.check(names, rows, grades)
