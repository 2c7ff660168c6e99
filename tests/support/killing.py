"""Commands that die: run in a child process which kills itself just before a chosen call.

The children fork from a server that has imported everything, so each starts at once.
"""

import importlib
import io
import multiprocessing
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from multiprocessing import forkserver
from pathlib import Path
from unittest import mock

from support.faults import num_tried, some, tried

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
    "windowshop.imports.run",
    "support.warm",
]
CONTEXT.set_forkserver_preload(PRELOADED)
NUM_KILLS = some(5, 200)
TESTS = Path(__file__).parents[1]
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link"}
"""Audit events of Python that change names and sizes of files."""
BEGUN = 0
"""First message of a run; the changes that it waits before follow, numbered from 1."""
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


def start_forking():
    """Start the server that children fork from, if it is not, so that it finds modules of tests."""
    path = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))
    with mock.patch.dict(os.environ, {"PYTHONPATH": path}):
        forkserver.ensure_running()


def run_and_kill(args, call, number):
    """Run `windowshop ARGS`, killed before the given call ("module.function") is made again.

    Returns whether the process was killed: not, where it made fewer calls.
    """
    child = CONTEXT.Process(target=_run, args=([str(arg) for arg in args], call, number))
    child.start()
    child.join(600)
    assert child.exitcode in (0, -signal.SIGKILL)
    return child.exitcode == -signal.SIGKILL


def run_to_its_end(args):
    """Run `windowshop ARGS` in a process of its own; fails where the command does."""
    assert Run(run_command, [str(arg) for arg in args]).end()


class Run:
    """Child process that calls a function, and waits before some of its changes.

    A change is one of a file or a statement of SQLite; they are counted from 1.
    """

    def __init__(self, function, *given, moments=()):
        start_forking()
        self.seconds, self.num_changes = 0.0, 0
        self._link, other = CONTEXT.Pipe()
        told = (function, given, frozenset(moments), other)
        self.process = CONTEXT.Process(target=_call, args=told)
        self.process.start()
        other.close()

    def moments(self):
        """Yield the number of each change that it waits before, while all of it is stopped."""
        assert self._link.recv() == BEGUN
        while isinstance(told := self._link.recv(), int):
            os.kill(self.process.pid, signal.SIGSTOP)
            while not self._is_stopped():
                time.sleep(0.001)
            yield told
            os.kill(self.process.pid, signal.SIGCONT)
            self._link.send(None)
        self.process.join(600)

    def _is_stopped(self):
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/stat")
        return all(task.read_text().rpartition(")")[2].split()[0] == "T" for task in tasks)

    def end(self, seconds=None):
        """Wait for its end, or kill it after some seconds; returns whether it reached its end."""
        with suppress(EOFError):
            assert self._link.recv() == BEGUN
        begun = time.monotonic()
        self.process.join(600 if seconds is None else seconds)
        self.seconds = time.monotonic() - begun
        if seconds is not None:
            self.process.kill()
            self.process.join()
        if self.process.exitcode == -signal.SIGKILL:
            return False
        self.num_changes, printed = self._link.recv()
        assert self.process.exitcode == 0, printed
        return True


def kills(what, place, prepare, function, *given, count=NUM_KILLS):
    """Call a function in a child, and leave `place` as kills at many moments of it leave it.

    `place` is a folder with all that the function changes, which `prepare` makes. The kills are
    before changes spread over the whole run: one run waits before each, stopped, while its files
    are copied, which are those that its death would leave. With `make faults` an eighth of the
    kills, and what a run of few changes leaves of the number, are of runs of their own, killed
    after times by chance, which reach into libraries. Yields the moment of each kill.
    """
    prepare()
    whole = Run(function, *given)
    assert whole.end()
    last = whole.num_changes
    assert last > 1
    num_moments = min(last, count * 7 // 8)
    moments = {1 + i * (last - 1) // (num_moments - 1) for i in range(num_moments)}
    prepare()
    run, states = Run(function, *given, moments=moments), {}
    for moment in run.moments():
        states[moment] = place.with_name(f"{place.name} before change {moment}")
        subprocess.run(["cp", "-a", place, states[moment]], check=True)
    assert run.process.exitcode == 0
    assert len(states) > num_moments / 2
    rng, num_killed = random.Random(0), num_tried("kill", what)
    order = rng.sample(sorted(states), len(states))  # spread, where a run is stopped too
    for moment in order[num_killed:]:
        shutil.rmtree(place)
        states[moment].rename(place)
        num_killed += 1
        yield f"change {moment} of {last}"
        tried("kill", what)
    for _ in range(3 * count):  # some come after the end
        if num_killed >= count:
            break
        prepare()
        wait = rng.uniform(0, whole.seconds)
        if not Run(function, *given).end(wait):
            num_killed += 1
            yield f"{wait:.3f} s of {whole.seconds:.3f} s"
            tried("kill", what)


def run_command(args):
    """Run `windowshop ARGS` in this process."""
    from windowshop.cli.entry import main

    sys.argv = ["windowshop", *args]
    main()


def die_before_change(number, armed):
    """Let this process kill itself before its nth change once the file `armed` is there."""
    num_changes = 0

    def changed():
        nonlocal num_changes
        num_changes += armed.exists()
        if num_changes >= number:
            os.kill(os.getpid(), signal.SIGKILL)

    _before_changes(changed)


def _before_changes(call):
    """Call a function before each change of a file and each statement of SQLite."""

    def audited(event, given):
        if changes_a_file(event, given):
            call()

    class Counted(sqlite3.Connection):
        def execute(self, *given):
            call()
            return super().execute(*given)

        def executemany(self, *given):
            call()
            return super().executemany(*given)

    connect = sqlite3.connect
    sqlite3.connect = lambda *given, **named: connect(*given, factory=Counted, **named)
    sys.addaudithook(audited)


def _call(function, given, moments, link):
    import torch

    torch.set_num_threads(1)
    num_changes, lock, own = 0, threading.RLock(), os.getpid()

    def changed():
        nonlocal num_changes
        with lock:
            num_changes += 1
            if num_changes in moments and os.getpid() == own:
                link.send(num_changes)
                link.recv()

    _before_changes(changed)
    printed = io.StringIO()
    link.send(BEGUN)
    with redirect_stdout(io.StringIO()), redirect_stderr(printed):
        try:
            function(*given)
        finally:
            link.send((num_changes, printed.getvalue()))


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
