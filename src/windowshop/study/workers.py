"""Processes that run the tasks of a study in parallel, each with its share of the threads.

A step on cached features is too small to keep several threads busy: on two cores, two processes of
one thread each do nearly twice the steps of one with two. Workers keep their results in the
study's folder; weights that variants share are trained by one while the others wait.
"""

import os
import signal
import threading
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import psutil
import torch

from windowshop.data import Dataset
from windowshop.errors import ConfigError
from windowshop.progress import SilentReporter
from windowshop.study.config import StudyConfig
from windowshop.study.memory import free_memory
from windowshop.study.prepare import prepare_study
from windowshop.study.seed import SeedRuns

GROWTH = 6
"""Memory that a worker needs at most, relative to that of the prepared study: on 9,583 products
2.2 to 5 GB (6 or 7 with tokens or a trained text encoder) against .99 GB."""

Do = Callable[[Any], object]
"""Do one task, and keep what comes of it on the disk."""
Wait = Callable[[Any], None]
"""Wait until a task is done; returns at once for a task that no worker has."""


@dataclass(frozen=True, slots=True)
class Task:
    """One variant with one seed."""

    seed: int
    variant: str


@dataclass(frozen=True, slots=True)
class Source:
    """Data and settings from which each worker prepares the study."""

    dataset: Dataset
    config: StudyConfig
    folder: Path
    cache_folder: Path

    def prepare(self) -> Do:
        """Prepare the study, and return what runs one variant of it."""
        study = prepare_study(
            self.dataset, self.config, self.folder, self.cache_folder, SilentReporter()
        )
        latest: list[SeedRuns] = []

        def do(task: Task) -> None:
            if not latest or latest[0].seed != task.seed:
                latest[:] = [SeedRuns(study, task.seed)]
            variant = study.variant(task.variant)
            assert variant is not None
            latest[0].result(variant)

        return do


class Work(Protocol):
    """Work of one kind, from which each worker makes its own function of a task."""

    @property
    def folder(self) -> Path:
        """Return the folder that results are kept in."""
        ...

    def prepare(self) -> Do:
        """Prepare for tasks; called once in each worker, with its first task."""
        ...


def fitting_workers(device: torch.device, num_tasks: int) -> int:
    """Return as many workers as tasks, threads and memory allow; 1 where a GPU trains.

    Call it when the study is prepared: a worker's need is estimated from this process.
    """
    if device.type != "cpu":
        return 1
    needed: int = GROWTH * psutil.Process().memory_info().rss
    return max(1, min(num_tasks, torch.get_num_threads(), free_memory() // needed))


@contextmanager
def run_workers(source: Work, tasks: Sequence[Hashable], num_workers: int) -> Iterator[Wait]:
    """Run the tasks in workers, in their order; yields a function that waits for one of them.

    An error in a worker is raised by the wait for its task, and the others are stopped. With one
    worker no process is started and the tasks are left to the caller. With more, the caller also
    gets a worker's share of the threads, so that figures do not depend on where they were computed.
    """
    threads_before = torch.get_num_threads()
    num_threads = max(1, threads_before // num_workers)
    torch.set_num_threads(num_threads)
    try:
        if num_workers > 1 and tasks:
            with _started(source, tasks, min(num_workers, len(tasks)), num_threads) as wait:
                yield wait
        else:
            yield lambda task: None
    finally:
        torch.set_num_threads(threads_before)


@contextmanager
def _started(
    source: Work, tasks: Sequence[Hashable], num_processes: int, num_threads: int
) -> Iterator[Wait]:
    context = get_context("spawn")  # a fork would copy locks that torch's threads hold
    theirs, ours = context.Pipe(duplex=False)  # whose end tells the workers to end
    pool = ProcessPoolExecutor(num_processes, context, _start, (source, num_threads, theirs))
    try:
        running = {task: pool.submit(_do, task) for task in tasks}

        def wait(task: Hashable) -> None:
            try:
                if task in running:
                    running[task].result()
            except BrokenProcessPool as error:
                raise ConfigError(
                    f"{source.folder}: a worker ended before its work was done, perhaps for lack "
                    "of memory. What is finished is kept: run the same again, with fewer --workers."
                ) from error

        yield wait
    except BaseException:
        ours.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        ours.close()
        theirs.close()


class _Worker:
    """State of a worker process between tasks."""

    source: Work
    do: Do | None = None


def _start(source: Work, num_threads: int, parent: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    warnings.filterwarnings("ignore", module="PIL")
    torch.set_num_threads(num_threads)
    _Worker.source = source


def _do(task: Hashable) -> None:
    if _Worker.do is None:
        _Worker.do = _Worker.source.prepare()
    _Worker.do(task)


def _end_with(parent: Connection) -> None:
    """End this process when its parent closes the pipe, or is gone."""
    parent.poll(None)
    os._exit(1)
