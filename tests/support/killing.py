"""Commands that die: run in a child process which kills itself just before a chosen call.

The children fork from a server that has imported everything, so each starts at once.
"""

import importlib
import io
import multiprocessing
import os
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["windowshop.training.fit", "windowshop.search", "windowshop.evaluation.evaluator"]
)


def run_and_kill(args, call, number):
    """Run `windowshop ARGS`, killed before the given call ("module.function") is made again.

    Returns whether the process was killed: not, where it made fewer calls.
    """
    child = CONTEXT.Process(target=_run, args=([str(arg) for arg in args], call, number))
    child.start()
    child.join(120)
    assert child.exitcode in (0, -signal.SIGKILL)
    return child.exitcode == -signal.SIGKILL


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
