"""The command that imports exports of other systems."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from windowshop.cli.fetching import (
    AllowPrivate,
    Attempts,
    Connections,
    IgnoreRobots,
    MaxSide,
    Rate,
    UserAgent,
    fetch_config,
)
from windowshop.cli.options import (
    JsonFlag,
    err,
    out,
    print_json,
    print_line,
    reporter,
    require_file,
)
from windowshop.errors import DataError, needs_extra
from windowshop.registry import FOLDER_FORMATS, FORMATS

if TYPE_CHECKING:
    from windowshop.imports import FetchConfig

    FormatChoice: TypeAlias = str
else:
    FormatChoice = Literal[("auto", *FORMATS, *FOLDER_FORMATS)]


def import_export(
    source: Annotated[Path, typer.Argument(help="Export of another system: a file or a folder.")],
    shop: Annotated[Path | None, typer.Option("--out", help="Data folder to write.")] = None,
    format: Annotated[FormatChoice, typer.Option(help="Format; auto recognises it.")] = "auto",
    map_file: Annotated[
        Path | None, typer.Option("--map", help="Mapping of a table's columns, corrected by hand.")
    ] = None,
    write_map_file: Annotated[
        Path | None,
        typer.Option("--write-map", help="Write the mapping of a table here, and import nothing."),
    ] = None,
    currency: Annotated[str, typer.Option(help="Currency of prices that name none (EUR).")] = "",
    decimal: Annotated[str, typer.Option(help="Sign before the cents, where it is unclear.")] = "",
    separator: Annotated[str, typer.Option(help="Sign between the fields of a csv.")] = "",
    encoding: Annotated[str, typer.Option(help="Encoding of a text file.")] = "",
    published_only: Annotated[
        bool, typer.Option("--published-only", help="Leave out what the shop does not show.")
    ] = False,
    store_view: Annotated[
        str, typer.Option(help="Store view of a Magento export, whose texts and prices are read.")
    ] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a data folder that no import made.")
    ] = False,
    with_images: Annotated[
        bool,
        typer.Option("--fetch-images", help="Download the images that products name by address."),
    ] = False,
    connections: Connections = 4,
    rate: Rate = 10.0,
    attempts: Attempts = 4,
    max_side: MaxSide = 1024,
    user_agent: UserAgent = None,
    allow_private: AllowPrivate = False,
    ignore_robots: IgnoreRobots = False,
    json_output: JsonFlag = False,
) -> None:
    """Import a shop's export (Shopify, WooCommerce, any table, ...) into a data folder."""
    from windowshop.imports import ImportOptions, import_shop, render_import, table_map, write_map

    require_file("--map", map_file)
    options = ImportOptions(
        format="" if format == "auto" else format, map=map_file, currency=currency, decimal=decimal,
        separator=separator, encoding=encoding, published_only=published_only,
        store_view=store_view, replace=replace,
    )  # fmt: skip
    if write_map_file is not None:
        found = table_map(source, options)
        write_map(write_map_file, found.columns, found.sample, source.name)
        reporter.note(
            f"Wrote {write_map_file}. Correct it, then import with --map {write_map_file}."
        )
        return
    if shop is None:
        raise typer.BadParameter("needs a folder to write", param_hint="--out")
    report = import_shop(source, shop, options, reporter=reporter)
    if with_images:
        config = fetch_config(
            connections=connections, rate=rate, attempts=attempts, max_side=max_side,
            user_agent=user_agent, allow_private=allow_private, ignore_robots=ignore_robots,
        )  # fmt: skip
        _fetch(shop, config)
    if json_output:
        print_json(report.to_json())
        return
    out.print(render_import(report))
    print_line(
        f"{shop}: {report.counts.get('products', 0):,} products. Next: windowshop check {shop}"
    )


@needs_extra("import")
def _fetch(shop: Path, config: "FetchConfig") -> None:
    """Download the images of a shop; one that names no address is told so."""
    from windowshop.imports import fetch_images, render_fetch

    try:
        report = fetch_images(shop, config, reporter)
    except DataError as error:
        reporter.note(str(error))
    else:
        err.print(render_fetch(report))
