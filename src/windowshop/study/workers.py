"""Processes that run the variants of a study side by side, each with its share of the threads.

A step on cached features is too small to keep several threads busy: on two cores, two processes of
one thread each get through nearly twice the steps of one with two. What a worker finishes, it keeps
in the study's folder; weights that variants share are trained by one while the others wait.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from pathlib import Path

import psutil
import torch

from windowshop.catalog import Dataset
from windowshop.errors import ConfigError
from windowshop.progress import SilentReporter
from windowshop.study.config import StudyConfig
from windowshop.study.preparing import prepare_study
from windowshop.study.seed import SeedRuns, StudyData

GROWTH = 3
"""Memory that a worker may come to need, for each byte that the prepared study takes up."""

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


def fitting_workers(device: torch.device) -> int:
    """As many workers as this process has threads, and memory is free; one where a GPU trains.

    Call it with the study prepared: what that takes up says what a worker will.
    """
    if device.type != "cpu":
        return 1
    free: int = psutil.virtual_memory().available
    needed: int = GROWTH * psutil.Process().memory_info().rss
    return max(1, min(torch.get_num_threads(), free // needed))


@contextmanager
def side_by_side(source: Source, tasks: Sequence[Task], num_workers: int) -> Iterator[Wait]:
    """Have workers do the tasks, begun in the order given; yields what waits for one of them.

    What fails in a worker is raised by the wait for it. One worker is the caller itself: no process
    is started, and the tasks are left to it.
    """
    if num_workers < 2 or not tasks:
        yield lambda task: None
        return
    # By the workers asked for: what few tasks are left would else be rounded in another way.
    num_threads = max(1, torch.get_num_threads() // num_workers)
    pool = ProcessPoolExecutor(
        min(num_workers, len(tasks)),
        mp_context=get_context("spawn"),  # a fork would copy locks that torch's threads hold
        initializer=_start,
        initargs=(source, num_threads),
    )
    try:
        running = {task: pool.submit(_do, task) for task in tasks}

        def wait(task: Task) -> None:
            try:
                if task in running:
                    running[task].result()
            except BrokenProcessPool:
                raise ConfigError(
                    f"{source.folder}: a worker was ended from outside, as by a system that is "
                    "short of memory. What is finished is kept: run the same again, with fewer "
                    "--workers."
                ) from None

        yield wait
    finally:
        pool.shutdown(cancel_futures=True)


class _Worker:
    """What one worker process holds from task to task."""

    source: Source
    study: StudyData | None = None
    runs: SeedRuns | None = None


def _start(source: Source, num_threads: int) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
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


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, killed perhaps."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
