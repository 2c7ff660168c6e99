"""Commands that die: run in a child process which kills itself just before a chosen call.

The children fork from a server that has imported everything, so each starts at once.
"""

import importlib
import io
import multiprocessing
import os
import re
import signal
import sqlite3
import sys
from contextlib import redirect_stderr, redirect_stdout

CONTEXT = multiprocessing.get_context("forkserver")
PRELOADED = [
    "windowshop.training.fit",
    "windowshop.search",
    "windowshop.evaluation.evaluator",
    "windowshop.service.server",
]
CONTEXT.set_forkserver_preload(PRELOADED)
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link"}
"""Audit events of Python that change names and sizes of files."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
ELSEWHERE = re.compile(r"^/(dev|proc)/|/__pycache__/")
"""Paths that do not count: bytecode is written by the first process alone."""


def changes_a_file(event, given):
    """Whether an audit event of Python changes a file of the command."""
    if event == "open":
        is_change = isinstance(given[2], int) and given[2] & WRITING
    else:
        is_change = event in CHANGES
    return bool(is_change) and not ELSEWHERE.search(str(given[0]))


def run_and_kill(args, call, number):
    """Run `windowshop ARGS`, killed before the given call ("module.function") is made again.

    Returns whether the process was killed: not, where it made fewer calls.
    """
    child = CONTEXT.Process(target=_run, args=([str(arg) for arg in args], call, number))
    child.start()
    child.join(120)
    assert child.exitcode in (0, -signal.SIGKILL)
    return child.exitcode == -signal.SIGKILL


def run_and_kill_at(args, number=0):
    """Run `windowshop ARGS`, killed before its nth change of a file or statement of SQLite.

    Returns whether the process was killed, and how many there were; without a number, all.
    """
    receiver, sender = CONTEXT.Pipe(duplex=False)
    child = CONTEXT.Process(target=_run_counted, args=([str(a) for a in args], number, sender))
    child.start()
    sender.close()
    child.join(180)
    if child.exitcode == -signal.SIGKILL:
        return True, number
    num_changes, told = receiver.recv()
    assert child.exitcode == 0, told
    return False, num_changes


def _run_counted(args, number, sender):
    num_changes = 0

    def count():
        nonlocal num_changes
        num_changes += 1
        if num_changes == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def audited(event, given):
        if changes_a_file(event, given):
            count()

    class Counted(sqlite3.Connection):
        def execute(self, *given):
            count()
            return super().execute(*given)

        def executemany(self, *given):
            count()
            return super().executemany(*given)

    import torch

    from windowshop.cli.entry import main

    torch.set_num_threads(1)
    connect = sqlite3.connect
    sqlite3.connect = lambda *given, **named: connect(*given, factory=Counted, **named)
    sys.argv = ["windowshop", *args]
    sys.addaudithook(audited)
    told = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(told):
        try:
            main()
        finally:
            sender.send((num_changes, told.getvalue()))


def _run(args, call, number):
    import torch

    from windowshop.cli.entry import main

    torch.set_num_threads(1)
    owner_name, function = call.rsplit(".", 1)
    owner = _find(owner_name)
    original = getattr(owner, function)
    num_calls = 0

    def counted(*args, **kwargs):
        nonlocal num_calls
        num_calls += 1
        if num_calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(owner, function, counted)
    sys.argv = ["windowshop", *args]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        main()


def _find(name):
    """A module, or a class in one."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, attribute = name.rsplit(".", 1)
        return getattr(importlib.import_module(module), attribute)
