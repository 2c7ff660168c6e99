"""The engine and its settings for a catalogue of a given size."""

from dataclasses import replace

from windowshop.engines.base import EngineSpec, VectorSpec

FLAT_PRODUCTS = 1_000_000
"""Above, scoring all 4-bit codes takes longer than 10 ms a query on one core."""
CODE_BYTES = 0.5
"""Bytes a number of a 4-bit code."""


def choose(
    num_products: int, widths: dict[str, int], memory_bytes: float = 2 * 2**30
) -> EngineSpec:
    """Flat up to a million products that fit the memory, a graph above; widths by vector's name."""
    code_bytes = num_products * sum(widths.values()) * CODE_BYTES
    if num_products <= FLAT_PRODUCTS and code_bytes <= memory_bytes:
        vectors = {name: VectorSpec(width=width, storage="4bit") for name, width in widths.items()}
        return EngineSpec(kind="flat", vectors=vectors)
    vectors = {name: VectorSpec(width=width, storage="int8") for name, width in widths.items()}
    spec = EngineSpec(kind="zvec", vectors=vectors)
    if num_products <= FLAT_PRODUCTS:
        return spec
    return replace(spec, links=32, search_candidates=600)
