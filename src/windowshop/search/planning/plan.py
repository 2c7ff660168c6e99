"""Machines, hours, memory, disk and cost of a catalogue, calculated from rates.

A catalogue that one index cannot hold, or search in time, is cut into equal parts. A search asks
every part at once, so its time is that of one part and its cost that of all. A machine may hold
several parts.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from windowshop.engines import choose
from windowshop.errors import ConfigError
from windowshop.search.planning.rates import Rates

Storage: TypeAlias = Literal["4bit", "int8"]
STORAGES: tuple[Storage, ...] = ("4bit", "int8")
"""Codes that are all scored (flat), and those of a graph (zvec)."""
USED_MEMORY = 0.75
"""Share of a machine's memory that services may fill; the rest is the system's."""
USED_CORES = 0.6
"""Share of the cores that searches may take, so that few of them wait."""
CODE_BYTES: dict[Storage, float] = {"4bit": 0.5, "int8": 1.0}
ORIGINAL_BYTES = 4.0
"""Disk of a number: a float16 in the engine, for rescoring, and one in the vector store."""
LINK_BYTES = 4.0
MILLION, GIGABYTE, HOUR = 1e6, 1e9, 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """Catalogue of a shop, and the searches that it expects."""

    products: int
    images: float = 1.0
    """Images of a product that are encoded."""
    qps: float = 10.0
    """Searches a second at the busiest time."""
    changed: float = 0.01
    """Share of the products that change in a day."""
    width: int = 0
    """Numbers of a vector for searches by text; 0 is that of the rates."""
    storage: Storage | Literal["auto"] = "auto"
    max_ms: float = 50.0
    """Processor time of a search of one part, at most; the catalogue is cut until it holds."""
    image_kb: float = 40.0
    """Disk of an image file; 0 where they lie elsewhere."""

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.products < 1 or min(self.qps, self.max_ms) <= 0:
            raise ConfigError(
                f"products={self.products}, qps={self.qps} and max_ms={self.max_ms} must be above "
                "0: nothing to plan."
            )
        if self.images < 0 or self.image_kb < 0 or self.width < 0 or not 0 <= self.changed <= 1:
            raise ConfigError(
                f"images={self.images}, image_kb={self.image_kb}, width={self.width} must not be "
                f"negative, changed={self.changed} must lie between 0 and 1."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Hardware:
    """A machine and its price; prices are assumptions, to be replaced by one's own."""

    cores: int = 16
    memory_gb: float = 64.0
    price: float = 400.0
    """Of a machine a month, in any currency."""
    disk_price: float = 0.1
    """Of a gigabyte of disk a month."""
    replicas: int = 2
    """Machines at least that hold a product, so that one may fail."""
    speed: float = 1.0
    """Speed of a core, where that of the rates has 1."""

    def __post_init__(self) -> None:
        """Check ranges."""
        if min(self.cores, self.replicas) < 1 or min(self.memory_gb, self.speed) <= 0:
            raise ConfigError(
                f"cores={self.cores} and replicas={self.replicas} must be at least 1, "
                f"memory={self.memory_gb} and speed={self.speed} above 0."
            )
        if min(self.price, self.disk_price) < 0:
            raise ConfigError("prices must not be negative.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """One way to serve a catalogue."""

    storage: Storage
    width: int
    parts: int
    """Parts of the catalogue, each an index; 1 is an index folder as it is."""
    machines: int
    """Machines that serve, replicas included."""
    encode_hours: float
    """Encoding of all texts and images on these machines."""
    fill_hours: float
    """Writing products and vectors into the indexes, the graph included, a part on one core."""
    nightly_minutes: float
    """Encoding and writing of what changes in a day."""
    memory_gb: float
    """Of a machine."""
    disk_gb: float
    """Of a machine, without images."""
    images_gb: float
    """Of all image files together."""
    search_ms: float
    """Processor time of a search of one part; about its median where cores are free."""
    qps: float
    """Searches a second that the machines answer."""
    cost: float
    """Machines and disk a month."""


def make_plan(work: Workload, rates: Rates, hardware: Hardware | None = None) -> Plan:
    """Plan one width and storage; `auto` takes the one of fewer machines, then of the lower price.

    Raises ConfigError where not even one product fits a machine, or is searched in time.
    """
    machine = hardware or Hardware()
    if work.storage == "auto":
        plans = [make_plan(replace(work, storage=storage), rates, machine) for storage in STORAGES]
        return min(plans, key=lambda plan: (plan.machines, plan.cost, plan.fill_hours))
    storage, width = work.storage, work.width or rates.width
    parts = _num_parts(work, rates, machine, storage, width)
    held = math.ceil(work.products / parts)
    search_ms = _search_ms(held, storage, width, rates) / machine.speed
    free_cores = machine.cores * USED_CORES
    part_gb = (rates.memory_mb * MILLION + held * _bytes(storage, width, rates)) / GIGABYTE
    copies_gb = machine.replicas * parts * part_gb
    machines = max(
        machine.replicas,
        math.ceil(copies_gb / (machine.memory_gb * USED_MEMORY)),
        math.ceil(work.qps * parts * search_ms / 1000 / free_cores),
    )
    encode_s = work.products * _encode_seconds(work, rates) / machine.speed
    encode_s /= machine.cores * machines
    at_once = min(parts, machine.cores * machines)
    fill_s = parts / at_once * held * _fill_seconds(storage, held, rates) / machine.speed
    disk = held * (rates.disk_bytes + ORIGINAL_BYTES * _numbers(width, rates))
    disk += rates.model_mb * MILLION
    copies = max(machine.replicas, machines / parts)  # all cores take part
    disk_gb = copies * parts * disk / GIGABYTE / machines
    images_gb = work.products * work.images * work.image_kb * 1000 / GIGABYTE
    return Plan(
        storage=storage,
        width=width,
        parts=parts,
        machines=machines,
        encode_hours=encode_s / HOUR,
        fill_hours=fill_s / HOUR,
        nightly_minutes=work.changed * (encode_s + fill_s) / 60,
        memory_gb=copies * parts * part_gb / machines,
        disk_gb=disk_gb,
        images_gb=images_gb,
        search_ms=search_ms,
        qps=machines * free_cores * 1000 / search_ms / parts,
        cost=machines * machine.price + (machines * disk_gb + images_gb) * machine.disk_price,
    )


def plan_all(
    work: Workload, rates: Rates, hardware: Hardware, widths: Sequence[int]
) -> Iterator[Plan]:
    """Yield the plan of every width and storage."""
    for width in widths:
        for storage in STORAGES:
            yield make_plan(replace(work, width=width, storage=storage), rates, hardware)


def _num_parts(
    work: Workload, rates: Rates, machine: Hardware, storage: Storage, width: int
) -> int:
    """Return the fewest parts that fit a machine's memory and the time of a search."""
    room = machine.memory_gb * USED_MEMORY * GIGABYTE - rates.memory_mb * MILLION
    fitting = math.floor(room / _bytes(storage, width, rates))
    if fitting < 1:
        raise ConfigError(
            f"A machine of {machine.memory_gb:g} GB does not even hold the service. Give it more."
        )
    if _search_ms(1, storage, width, rates) / machine.speed > work.max_ms:
        raise ConfigError(
            f"A search takes {_search_ms(1, storage, width, rates) / machine.speed:.1f} ms without "
            f"any product, more than max_ms={work.max_ms:g}."
        )
    low, high = 1, min(fitting, work.products)
    while low < high:  # the most products that are searched in time
        middle = (low + high + 1) // 2
        is_fast = _search_ms(middle, storage, width, rates) / machine.speed <= work.max_ms
        low, high = (middle, high) if is_fast else (low, middle - 1)
    return math.ceil(work.products / low)


def _numbers(width: int, rates: Rates) -> int:
    return width + rates.image_width


def _bytes(storage: Storage, width: int, rates: Rates) -> float:
    """Return the memory of a product."""
    links = 0.0
    if storage == "int8":
        spec = choose(10 * int(MILLION), {"fused": width})
        links = 2 * spec.links * LINK_BYTES * (1 + (rates.image_width > 0))
    return rates.memory_bytes + CODE_BYTES[storage] * _numbers(width, rates) + links


def _search_ms(products: int, storage: Storage, width: int, rates: Rates) -> float:
    rest = rates.search_ms + rates.search_ms_per_million * products / MILLION
    if storage == "4bit":
        return rest + rates.flat_ns_per_number * products * width / MILLION
    return rest + rates.graph_ms * _depth(products, rates) * width / rates.width


def _encode_seconds(work: Workload, rates: Rates) -> float:
    if work.images and not rates.images_per_second:
        raise ConfigError(
            "The rates have no images: the index that they were measured on sees none. Give "
            "--images 0, or rates of another index."
        )
    image_s = work.images / rates.images_per_second if work.images else 0.0
    return 1 / rates.texts_per_second + image_s


def _fill_seconds(storage: Storage, products: int, rates: Rates) -> float:
    graph_s = rates.graph_build_ms / 1000 * _depth(products, rates) if storage == "int8" else 0.0
    return 1 / rates.writes_per_second + graph_s


def _depth(products: int, rates: Rates) -> float:
    return max(1.0, math.log(products) / math.log(rates.grown)) if products > 1 else 1.0
