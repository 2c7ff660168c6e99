"""Time that a study still takes, estimated from the runs that it has done."""

import time
from collections.abc import Callable, Mapping, Sequence

from windowshop.study.workers import Task


class TimeLeft:
    """Estimate of the time that a study's unfinished runs take.

    A variant weighs what its training took with another seed, and one that has not been trained the
    mean of those that have. What is left takes as long by weight as what this process has waited
    for, so that workers and shared trainings are in it.
    """

    def __init__(
        self,
        todo: Sequence[Task],
        known: Mapping[str, float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the clock; `known` are seconds of training by variant, of earlier runs."""
        self._left = list(todo)
        self._known = {name: seconds for name, seconds in known.items() if seconds > 0}
        self._untrained = {name for name, seconds in known.items() if seconds <= 0}
        self._done = 0.0
        self._clock, self._started = clock, clock()

    def done(self, task: Task, seconds: float) -> None:
        """Take a run off the list; `seconds` is its training's time, 0 for an untrained system."""
        if task not in self._left:
            return
        self._left.remove(task)
        self._done += seconds
        if seconds > 0:
            self._known[task.variant] = seconds
        else:
            self._untrained.add(task.variant)

    def seconds(self) -> float | None:
        """Return the seconds left, None before the first training is done."""
        if not self._done:
            return None
        mean = sum(self._known.values()) / len(self._known)
        trained = [task.variant for task in self._left if task.variant not in self._untrained]
        weight = sum(self._known.get(variant, mean) for variant in trained)
        return (self._clock() - self._started) * weight / self._done
