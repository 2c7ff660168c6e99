"""Commands for a first look."""

from pathlib import Path
from typing import Annotated

import typer

from windowshop.cli.options import out, reporter
from windowshop.cli.searching import serve
from windowshop.errors import needs_extra


def demo_data(
    folder: Annotated[Path, typer.Argument(help="Folder to write the catalogue to.")],
    products: Annotated[int, typer.Option(help="Number of products.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the drawing.")] = 0,
) -> None:
    """Write a generated catalogue (drawn products, graded queries, simulated clicks)."""
    from windowshop.demo import DemoConfig, write_demo

    write_demo(folder, DemoConfig(num_products=products, seed=seed))
    out.print(f"{folder}: {products} generated products")


@needs_extra("train")
def demo(
    folder: Annotated[Path, typer.Argument(help="Folder for the data, model and index.")],
    products: Annotated[int, typer.Option(help="Number of generated products.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the generated data.")] = 0,
    open_page: Annotated[bool, typer.Option("--open", help="Serve the page at the end.")] = False,
) -> None:
    """Run every step once on a generated catalogue, from its drawing to three searches."""
    from windowshop.demo import DemoConfig, demo_config, run_demo

    shop = DemoConfig(num_products=products, seed=seed)
    run_demo(folder, shop, demo_config(), reporter, out)
    if open_page:
        serve(str(folder / "index"))
