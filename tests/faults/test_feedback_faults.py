"""Events and grades, while the service cannot write or a process that records them is killed.

What was acknowledged is there once, in its latest version, and nothing that was not sent.
"""

import os
import random
import resource
import shutil
import signal
import sqlite3
from contextlib import closing

import pytest
from support.faults import some, tried
from support.killing import CONTEXT
from support.logs import judging_in, logging_to
from support.services import Server, made_answer
from support.shop_clients import Shopper, check_feedback

from windowshop.index import DATABASE_FILE, Database
from windowshop.search.request import SearchRequest
from windowshop.service.http.requests import FeedbackBody, JudgementBody
from windowshop.service.logs.feedback import read_log
from windowshop.service.logs.tables import GRADES, read_tables

pytestmark = pytest.mark.slow


def test_a_disk_that_takes_no_more_refuses_and_recovers(colours_index, tmp_path):
    """Files may grow no further, by chance in the midst of a write; then they may again."""
    index = shutil.copytree(colours_index, tmp_path / "index")
    rng = random.Random(1)
    client, num_refused = Shopper(0), 0
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
    check_feedback(index, [client])


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
