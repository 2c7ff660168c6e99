"""The command that downloads the images of a shop."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from windowshop.cli.options import JsonFlag, out, print_json, reporter
from windowshop.data import require_products
from windowshop.errors import needs_extra


@needs_extra("import")
def fetch_images(
    shop: Annotated[Path, typer.Argument(help="Data folder whose products name web addresses.")],
    connections: Annotated[int, typer.Option(help="Connections to one host at a time.")] = 4,
    rate: Annotated[float, typer.Option(help="Requests a second to one host.")] = 10.0,
    attempts: Annotated[
        int, typer.Option(help="Times to ask where a failure may pass, with growing waits.")
    ] = 4,
    max_age: Annotated[
        float, typer.Option(help="Hours until a fetched image is asked for again.")
    ] = 24.0,
    max_side: Annotated[
        int, typer.Option(help="Longest side of a stored image, in pixels.")
    ] = 1024,
    user_agent: Annotated[
        str | None, typer.Option(help="Name to ask by; say who you are and how to reach you.")
    ] = None,
    allow_private: Annotated[
        bool,
        typer.Option("--allow-private", help="Connect to private networks and this machine too."),
    ] = False,
    group_near_duplicates: Annotated[
        bool,
        typer.Option(
            "--group-near-duplicates",
            help="Give products with nearly the same image and like titles one group_id.",
        ),
    ] = False,
    json_output: JsonFlag = False,
) -> None:
    """Download the images that products name by web address; run again to go on or to refresh."""
    require_products(shop)

    from windowshop.imports import FetchConfig, render_fetch
    from windowshop.imports import fetch_images as run

    config = FetchConfig(
        connections=connections,
        rate=rate,
        attempts=attempts,
        max_age_hours=max_age,
        max_side=max_side,
        allow_private=allow_private,
        group_near_duplicates=group_near_duplicates,
    )
    if user_agent is not None:
        config = replace(config, user_agent=user_agent)
    report = run(shop, config, reporter)
    if json_output:
        print_json(report.to_json())
    else:
        out.print(render_fetch(report))
