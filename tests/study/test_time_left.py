import pytest

from windowshop.progress import duration
from windowshop.study.time_left import TimeLeft
from windowshop.study.workers import Task


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def tasks(*names, seeds=(0,)):
    return [Task(seed, name) for seed in seeds for name in names]


def test_nothing_is_said_before_the_first_training():
    clock = Clock()
    left = TimeLeft(tasks("bm25", "a", "b"), {}, clock)
    assert left.seconds() is None
    clock.now += 5
    left.done(Task(0, "bm25"), 0.0)
    assert left.seconds() is None


def test_what_was_never_trained_takes_the_mean():
    clock = Clock()
    left = TimeLeft(tasks("a", "b", "c", "d"), {}, clock)
    clock.now += 12  # 10 of training, 2 of scoring
    left.done(Task(0, "a"), 10.0)
    assert left.seconds() == pytest.approx(36)
    clock.now += 36
    left.done(Task(0, "b"), 30.0)  # mean 20, 48 s for 40 of training
    assert left.seconds() == pytest.approx(48 * 40 / 40)


def test_another_seed_takes_what_the_first_took():
    clock = Clock()
    left = TimeLeft(tasks("a", "long", seeds=(0, 1)), {}, clock)
    clock.now += 110
    left.done(Task(0, "a"), 10.0)
    left.done(Task(0, "long"), 100.0)
    left.done(Task(1, "a"), 10.0)
    assert left.seconds() == pytest.approx(110 * 100 / 120)
    left.done(Task(1, "long"), 100.0)
    assert left.seconds() == 0


def test_what_an_earlier_run_kept_counts_as_weight_and_not_as_time():
    clock = Clock()
    left = TimeLeft(tasks("a", "b", "bm25"), {"long": 40.0, "b": 40.0, "bm25": 0.0}, clock)
    clock.now += 20
    left.done(Task(0, "long"), 40.0)  # not among those to do
    assert left.seconds() is None
    left.done(Task(0, "a"), 10.0)
    assert left.seconds() == pytest.approx(80)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (89, "89 s"),
        (130, "2 min"),
        (5000, "83 min"),
        (5400, "1.5 h"),
        (7300, "2 h"),
        (50_000, "14 h"),
        (200_000, "2 days"),
    ],
)
def test_durations_are_rough(seconds, text):
    assert duration(seconds) == text
