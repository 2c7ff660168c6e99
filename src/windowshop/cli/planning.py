"""The command that plans machines for a catalogue."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from windowshop.cli.options import JsonFlag, out, print_json, print_line, reporter, require_file
from windowshop.errors import ConfigError, needs_extra
from windowshop.files import INDEX, require_manifest, write_json

if TYPE_CHECKING:
    from windowshop.search import Plan, Rates, Workload

WIDTHS = (64, 128, 256, 512)
EXTRAPOLATED = 10
"""So many times the products that were measured are said to be beyond them."""


def plan(
    products: Annotated[
        str, typer.Option(help="Products of the catalogue, for example 100e6.")
    ] = "",
    images: Annotated[float, typer.Option(min=0, help="Images of a product.")] = 1.0,
    qps: Annotated[float, typer.Option(help="Searches a second at the busiest time.")] = 10.0,
    changed: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the products that change in a day.")
    ] = 0.01,
    width: Annotated[int, typer.Option(min=0, help="Numbers of a vector; 0: the model's.")] = 0,
    storage: Annotated[
        Literal["auto", "4bit", "int8"],
        typer.Option(help="Codes that are all scored (4bit), or a graph (int8)."),
    ] = "auto",
    max_ms: Annotated[
        float, typer.Option(help="Processor time of a search of one part, at most.")
    ] = 50.0,
    image_kb: Annotated[float, typer.Option(min=0, help="Size of an image file.")] = 40.0,
    cores: Annotated[int, typer.Option(help="Cores of a machine.")] = 16,
    memory: Annotated[float, typer.Option(help="Gigabytes of memory of a machine.")] = 64.0,
    price: Annotated[float, typer.Option(help="Price of a machine a month.")] = 400.0,
    disk_price: Annotated[float, typer.Option(help="Price of a gigabyte of disk a month.")] = 0.1,
    replicas: Annotated[int, typer.Option(help="Machines that hold each product, at least.")] = 2,
    speed: Annotated[float, typer.Option(help="Speed of a core; that of the rates is 1.")] = 1.0,
    rates_file: Annotated[
        Path | None,
        typer.Option("--rates", help="File of rates; those that come along by default."),
    ] = None,
    measure: Annotated[
        Path | None,
        typer.Option(help="Index to measure rates with on this machine, kept in --rates."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Plan machines, hours, memory, disk and cost for a catalogue, from measured rates."""
    if measure is not None:
        rates = _measured(measure, rates_file)
        if not products:
            return
    else:
        require_file("--rates", rates_file)

        from windowshop.search import read_rates

        rates = read_rates(rates_file) if rates_file else read_rates()
    from windowshop.search import Hardware, Workload, make_plan, plan_all

    work = Workload(
        products=_count(products),
        images=images,
        qps=qps,
        changed=changed,
        width=width,
        storage=storage,
        max_ms=max_ms,
        image_kb=image_kb,
    )
    hardware = Hardware(
        cores=cores,
        memory_gb=memory,
        price=price,
        disk_price=disk_price,
        replicas=replicas,
        speed=speed,
    )
    chosen = make_plan(work, rates, hardware)
    widths = [width] if width else sorted({*(w for w in WIDTHS if w < rates.width), rates.width})
    others = list(plan_all(work, rates, hardware, widths))
    if as_json:
        print_json(
            {
                "plan": asdict(chosen),
                "all": [asdict(other) for other in others],
                "workload": asdict(work),
                "hardware": asdict(hardware),
                "rates": asdict(rates),
            }
        )
        return
    _print(chosen, others, work, rates)


def _count(text: str) -> int:
    """Read a number of products: 5000, 1e6."""
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        raise ConfigError(
            f"--products {text!r} is no number of products. Give one, for example 250000 or 1e6."
        ) from None


@needs_extra("train")
def _measured(index: Path, rates_file: Path | None) -> "Rates":
    require_manifest(index, INDEX)
    from windowshop.search import measure_rates

    rates = measure_rates(index, reporter)
    if rates_file is not None:
        write_json(rates_file, asdict(rates), chosen="file")
        print_line(f"Rates of this machine: {rates_file}")
    else:
        print_json(asdict(rates))
    return rates


def _print(chosen: "Plan", others: "list[Plan]", work: "Workload", rates: "Rates") -> None:
    print_line(
        f"{work.products:,} products, {work.images:g} images each, {work.qps:g} searches a second; "
        f"rates of {rates.cpu}, measured with {rates.products:,} and {rates.grown:,} products"
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("width", "storage", "parts", "machines", "memory", "disk", "hours", "search",
                 "a month"):  # fmt: skip
        table.add_column(name, justify="right", no_wrap=True)
    for other in others:
        same = (other.width, other.storage) == (chosen.width, chosen.storage)
        table.add_row(
            f"{other.width}",
            other.storage,
            f"{other.parts:,}",
            f"{other.machines:,}",
            f"{other.memory_gb:,.1f} GB",
            f"{other.disk_gb:,.1f} GB",
            f"{other.encode_hours + other.fill_hours:,.1f}",
            f"{other.search_ms:.1f} ms",
            f"{other.cost:,.0f}",
            style="bold" if same else None,
        )
    out.print(table)
    shared = " (`windowshop encode --ray`)" if chosen.machines > 1 else ""
    print_line(
        f"In bold: width {chosen.width}, {chosen.storage}. Memory and disk are of one machine. "
        f"Encoding takes {chosen.encode_hours:,.1f} h on these machines{shared}, filling the "
        f"indexes {chosen.fill_hours:,.1f} h, a night's changes {chosen.nightly_minutes:,.1f} min; "
        f"the images are {chosen.images_gb:,.0f} GB; {chosen.qps:,.0f} searches a second fit."
    )
    if chosen.parts > 1:
        print_line(
            f"One index does not fit a machine, or takes longer than {work.max_ms:g} ms a search: "
            f"it takes {chosen.parts} parts, all asked at once. An index folder is one part."
        )
    if work.products > EXTRAPOLATED * rates.grown:
        print_line(
            f"Beyond {rates.grown:,} products the rates are extrapolated: in proportion, and by "
            "the logarithm for a graph."
        )
