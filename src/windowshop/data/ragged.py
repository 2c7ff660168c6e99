"""Ragged arrays in compressed rows: row i has the entries `start[i] : start[i + 1]`."""

import numpy as np


def expand(start: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the entries of the given rows, and for each its position in `rows`."""
    counts = start[rows + 1] - start[rows]
    owner = np.repeat(np.arange(len(rows)), counts)
    offset = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(start[rows], counts) + offset, owner


def place_in_run(sorted_keys: np.ndarray) -> np.ndarray:
    """Count, for each of the sorted keys, the equal ones before it."""
    return np.arange(len(sorted_keys)) - np.searchsorted(sorted_keys, sorted_keys)


def starts_of(sorted_rows: np.ndarray, num_rows: int) -> np.ndarray:
    """Return the start of each of `num_rows` compressed rows, and the end, (num_rows + 1,)."""
    counts = np.bincount(sorted_rows.astype(np.int64), minlength=num_rows)
    return np.concatenate([[0], np.cumsum(counts)])
