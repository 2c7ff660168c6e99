"""Processes that run the variants of a study in parallel, each with its share of the threads.

A step on cached features is too small to keep several threads busy: on two cores, two processes of
one thread each do nearly twice the steps of one with two. Workers keep their results in the
study's folder; weights that variants share are trained by one while the others wait.
"""

import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import torch

from windowshop.data import Dataset
from windowshop.errors import ConfigError
from windowshop.progress import SilentReporter
from windowshop.study.config import StudyConfig
from windowshop.study.memory import free_memory
from windowshop.study.prepare import prepare_study
from windowshop.study.seed import SeedRuns, StudyData

GROWTH = 6
"""Memory that a worker needs at most, relative to that of the prepared study: on 9,583 products
2.2 to 5 GB (6 or 7 with tokens or a trained text encoder) against .99 GB."""

Wait = Callable[["Task"], None]
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


def fitting_workers(device: torch.device, num_tasks: int) -> int:
    """Return as many workers as tasks, threads and memory allow; 1 where a GPU trains.

    Call it when the study is prepared: a worker's need is estimated from this process.
    """
    if device.type != "cpu":
        return 1
    needed: int = GROWTH * psutil.Process().memory_info().rss
    return max(1, min(num_tasks, torch.get_num_threads(), free_memory() // needed))


@contextmanager
def run_workers(source: Source, tasks: Sequence[Task], num_workers: int) -> Iterator[Wait]:
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
    source: Source, tasks: Sequence[Task], num_processes: int, num_threads: int
) -> Iterator[Wait]:
    context = get_context("spawn")  # a fork would copy locks that torch's threads hold
    theirs, ours = context.Pipe(duplex=False)  # whose end tells the workers to end
    pool = ProcessPoolExecutor(num_processes, context, _start, (source, num_threads, theirs))
    try:
        running = {task: pool.submit(_do, task) for task in tasks}

        def wait(task: Task) -> None:
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

    source: Source
    study: StudyData | None = None
    runs: SeedRuns | None = None


def _start(source: Source, num_threads: int, parent: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    warnings.filterwarnings("ignore", module="PIL")
    torch.set_num_threads(num_threads)
    _Worker.source = source


def _do(task: Task) -> None:
    study, runs, source = _Worker.study, _Worker.runs, _Worker.source
    if study is None:
        study = _Worker.study = prepare_study(
            source.dataset, source.config, source.folder, source.cache_folder, SilentReporter()
        )
    if runs is None or runs.seed != task.seed:
        runs = _Worker.runs = SeedRuns(study, task.seed)
    variant = study.variant(task.variant)
    assert variant is not None
    runs.result(variant)


def _end_with(parent: Connection) -> None:
    """End this process when its parent closes the pipe, or is gone."""
    parent.poll(None)
    os._exit(1)
