"""Parts that engines share: the best of many scores, the lock."""

import threading
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from windowshop.engines.base import best
from windowshop.engines.rwlock import ReadWriteLock


@given(
    scores=st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=30),
    k=st.integers(1, 12),
)
def test_best_is_a_stable_sort(scores, k):
    keys = np.random.default_rng(0).permutation(len(scores))
    found_keys, found = best(keys, np.array(scores, dtype=np.float32), k)
    pairs = sorted(zip(keys.tolist(), scores, strict=True), key=lambda pair: (-pair[1], pair[0]))
    assert found_keys.tolist() == ([key for key, _ in pairs] + [-1] * k)[:k]
    assert found[: len(pairs)].tolist() == [score for _, score in pairs][:k]


def test_the_lock_lets_readers_share_and_writers_alone():
    lock, inside, seen = ReadWriteLock(), Counter(), []

    def work(kind):
        for _ in range(60):
            with getattr(lock, kind)():
                inside[kind] += 1
                seen.append(dict(inside))
                inside[kind] -= 1

    both = threading.Barrier(2, timeout=60)

    def share():
        with lock.read():
            both.wait()  # passes only if two are in at once

    threads = [threading.Thread(target=share) for _ in range(2)]
    threads += [threading.Thread(target=work, args=[kind]) for kind in ["write", "write", "read"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert all(s.get("write", 0) + bool(s.get("read", 0)) <= 1 for s in seen)
    assert len(seen) == 180
