import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from windowshop.data import image_memory
from windowshop.data.image_memory import MemoryBudget, give_back


def test_no_more_than_the_budget_is_taken_at_once():
    budget, in_use, most, lock = MemoryBudget(100), [0], [0], threading.Lock()

    def work(num_bytes):
        with budget.taken(num_bytes):
            with lock:
                in_use[0] += num_bytes
                most[0] = max(most[0], in_use[0])
            time.sleep(0.002)
            with lock:
                in_use[0] -= num_bytes

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [60, 10, 50, 40, 100, 1, 99, 30] * 4))
    assert 60 < most[0] <= 100


def test_one_that_needs_more_than_there_is_runs_alone_and_in_its_turn():
    budget, order = MemoryBudget(100), []

    def large():
        with budget.taken(1_000):
            order.append("large")

    def small():
        with budget.taken(1):
            order.append("small")

    with budget.taken(10):
        threads = [threading.Thread(target=large), threading.Thread(target=small)]
        for count, thread in enumerate(threads, 1):
            thread.start()
            while len(budget._waiting) < count:
                time.sleep(0.001)
        assert order == []  # there would be room for the small one, which came later
    for thread in threads:
        thread.join(60)
    assert order == ["large", "small"]


def test_a_budget_is_free_again_after_an_error():
    budget = MemoryBudget(10)
    with pytest.raises(ZeroDivisionError), budget.taken(10):
        raise ZeroDivisionError
    with budget.taken(10):
        pass


def test_memory_is_given_back_where_the_system_can(monkeypatch):
    trims = []
    monkeypatch.setattr(image_memory, "_TRIM", trims.append)
    with MemoryBudget(100).taken(image_memory.LARGE_BYTES - 1):
        pass
    assert trims == []
    with MemoryBudget(100).taken(image_memory.LARGE_BYTES):
        pass
    assert trims == [0]
    monkeypatch.setattr(image_memory, "_TRIM", None)
    give_back()
