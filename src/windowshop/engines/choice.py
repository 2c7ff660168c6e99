"""The engine and its settings for a catalogue of a given size."""

from windowshop.engines.base import EngineSpec, VectorSpec

FLAT_PRODUCTS = 1_000_000
"""Above, scoring all 4-bit codes takes longer than 10 ms a query on one core."""
CODE_BYTES = 0.5
"""Bytes of one number in a 4-bit code."""
MEMORY_BYTES = 2 * 2**30
"""Limit of the codes of a flat engine."""


def choose(num_products: int, widths: dict[str, int]) -> EngineSpec:
    """Choose flat up to a million products that fit the memory, else zvec; `widths` is by name."""
    is_few = num_products <= FLAT_PRODUCTS
    if is_few and num_products * sum(widths.values()) * CODE_BYTES <= MEMORY_BYTES:
        vectors = {name: VectorSpec(width=width, storage="4bit") for name, width in widths.items()}
        return EngineSpec(kind="flat", vectors=vectors)
    vectors = {name: VectorSpec(width=width, storage="int8") for name, width in widths.items()}
    if is_few:
        return EngineSpec(kind="zvec", vectors=vectors)
    return EngineSpec(kind="zvec", vectors=vectors, links=32, search_candidates=600)
