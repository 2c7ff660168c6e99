"""Commands that die: run in a child process which kills itself just before a chosen call.

The children fork from a server that has imported everything, so each starts at once.
"""

import importlib
import io
import multiprocessing
import os
import random
import re
import signal
import sqlite3
import sys
import time
from contextlib import redirect_stderr, redirect_stdout, suppress

from support.faults import some, tried

CONTEXT = multiprocessing.get_context("forkserver")
PRELOADED = [
    "windowshop.training.fit",
    "windowshop.search",
    "windowshop.evaluation.evaluator",
    "windowshop.service.server",
    "windowshop.cli.entry",
    "windowshop.index.build",
    "windowshop.model.onnx_export",
    "windowshop.search.tuning.choose",
    "windowshop.search.tuning.report",
    "windowshop.search.classifier.train",
]
CONTEXT.set_forkserver_preload(PRELOADED)
NUM_KILLS = some(5, 200)
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link"}
"""Audit events of Python that change names and sizes of files."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
ELSEWHERE = re.compile(r"^/(dev/(?!shm/)|proc/)|/__pycache__(/|$)")
"""Paths that do not count: folders and files of bytecode are made by the first process alone."""


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
    child.join(600)
    assert child.exitcode in (0, -signal.SIGKILL)
    return child.exitcode == -signal.SIGKILL


def run_and_kill_at(args, number=0):
    """Run `windowshop ARGS`, killed before its nth change of a file or statement of SQLite.

    Returns whether the process was killed, and how many there were; without a number, all.
    """
    child = Dying(run_command, [str(arg) for arg in args], number=number)
    return child.end()


class Dying:
    """Child process that calls a function, and is killed before its nth change, or after a time.

    A change is one of a file or a statement of SQLite; number 0 is never reached.
    """

    def __init__(self, function, *given, number=0):
        self._number, self.seconds = number, 0.0
        self._receiver, sender = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=_call, args=(function, given, number, sender))
        self._process.start()
        sender.close()

    def end(self, seconds=None):
        """Wait for its end, for so many seconds at most; returns as `run_and_kill_at` does."""
        with suppress(EOFError):
            self._receiver.recv()  # it has begun
        begun = time.monotonic()
        self._process.join(600 if seconds is None else seconds)
        self.seconds = time.monotonic() - begun
        if seconds is not None:
            self._process.kill()
            self._process.join()
        if self._process.exitcode == -signal.SIGKILL:
            return True, self._number
        num_changes, told = self._receiver.recv()
        assert self._process.exitcode == 0, told
        return False, num_changes


def kills(what, prepare, function, *given):
    """Call a function in a child again and again, each time prepared again, and kill it.

    The kills are before changes spread over the whole run; with `make faults` a quarter, and what
    a run of few changes leaves of the number, after times by chance, which reach into libraries.
    Yields the moment of each kill after it.
    """
    prepare()
    whole = Dying(function, *given)
    killed, count = whole.end()
    assert not killed
    assert count > 1
    num_moments = min(count, NUM_KILLS * 3 // 4)
    moments = {1 + i * (count - 1) // (num_moments - 1) for i in range(num_moments)}
    num_killed, rng = 0, random.Random(0)
    for moment in rng.sample(sorted(moments), len(moments)):  # spread, where a run is stopped too
        prepare()
        if Dying(function, *given, number=moment).end()[0]:
            num_killed += 1
            yield f"change {moment} of {count}"
            tried("kill", what)
    assert num_killed > num_moments / 2
    for _ in range(3 * NUM_KILLS):  # some come after the end
        if num_killed >= NUM_KILLS:
            break
        prepare()
        wait = rng.uniform(0, whole.seconds)
        if Dying(function, *given).end(wait)[0]:
            num_killed += 1
            yield f"{wait:.3f} s of {whole.seconds:.3f} s"
            tried("kill", what)


def run_command(args):
    """Run `windowshop ARGS` in this process."""
    from windowshop.cli.entry import main

    sys.argv = ["windowshop", *args]
    main()


def _call(function, given, number, sender):
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

    torch.set_num_threads(1)
    connect = sqlite3.connect
    sqlite3.connect = lambda *given, **named: connect(*given, factory=Counted, **named)
    sys.addaudithook(audited)
    told = io.StringIO()
    sender.send("begun")
    with redirect_stdout(io.StringIO()), redirect_stderr(told):
        try:
            function(*given)
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
