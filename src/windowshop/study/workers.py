"""Processes that run the variants of a study side by side, each with its share of the threads.

A step on cached features is too small to keep several threads busy: on two cores, two processes of
one thread each get through nearly twice the steps of one with two. What a worker finishes, it keeps
in the study's folder; weights that variants share are trained by one while the others wait.
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
"""Memory that a worker may come to need, for each byte that the prepared study takes up: on 9,583
products 2.2 to 5 GB, 6 or 7 where tokens are read or the text encoder trains, and .99 GB."""

Wait = Callable[["Task"], None]
"""Returns when a task is done, or at once if no worker was given it."""


@dataclass(frozen=True, slots=True)
class Task:
    """One variant with one seed."""

    seed: int
    variant: str


@dataclass(frozen=True, slots=True)
class Source:
    """What a study is prepared from, by each worker for itself."""

    dataset: Dataset
    config: StudyConfig
    folder: Path
    cache_folder: Path


def fitting_workers(device: torch.device, num_tasks: int) -> int:
    """As many workers as there are tasks, threads, and memory for; one where a GPU trains.

    Call it with the study prepared: what that takes up says what a worker will.
    """
    if device.type != "cpu":
        return 1
    needed: int = GROWTH * psutil.Process().memory_info().rss
    return max(1, min(num_tasks, torch.get_num_threads(), free_memory() // needed))


@contextmanager
def run_workers(source: Source, tasks: Sequence[Task], num_workers: int) -> Iterator[Wait]:
    """Have workers do the tasks, begun in the order given; yields what waits for one of them.

    What fails in a worker is raised by the wait for it, and the others end where they are. One
    worker is the caller itself: no process is started, and the tasks are left to it. With more,
    the caller too has but a worker's share of the threads, so that no figure depends on who made it
    or on how little was left to do.
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
    """What one worker process holds from task to task."""

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
    """End this process at once when the one that started it says so, or is gone."""
    parent.poll(None)
    os._exit(1)
