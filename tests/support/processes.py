"""Processes that train together, as torchrun starts them but on this machine, and their ends."""

import os
import socket
from contextlib import ExitStack
from unittest import mock

from support.killing import CONTEXT

SECONDS = 120
"""Longest that one may take."""


def together(function, *given, size=2):
    """Return what `function` returns in each of `size` processes; an exception stands for itself.

    A process that is killed gives its exit code.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ends, processes = [], []
    for rank in range(size):
        receiver, sender = CONTEXT.Pipe(duplex=False)
        process = CONTEXT.Process(target=_call, args=(rank, size, port, sender, function, given))
        process.start()
        sender.close()
        ends.append(receiver)
        processes.append(process)
    try:
        return [_end(*pair) for pair in zip(ends, processes, strict=True)]
    finally:
        for process in processes:
            process.kill()
            process.join()


def _end(receiver, process):
    assert receiver.poll(SECONDS), "it hangs"
    try:
        found = receiver.recv()
    except EOFError:
        process.join(SECONDS)
        return process.exitcode
    process.join(SECONDS)
    return found


def _call(rank, size, port, sender, function, given):
    import torch

    torch.set_num_threads(1)
    environment = {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, environment))
        try:
            sender.send(function(*given))
        except Exception as error:  # noqa: BLE001 - the caller looks at it
            sender.send(error)
