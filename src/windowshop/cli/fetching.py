"""The command that downloads the images of a shop, and its options."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from windowshop.cli.options import JsonFlag, out, print_json, reporter
from windowshop.data import require_products
from windowshop.errors import needs_extra

if TYPE_CHECKING:
    from windowshop.imports import FetchConfig

Connections: TypeAlias = Annotated[int, typer.Option(help="Connections to one host at a time.")]
Rate: TypeAlias = Annotated[float, typer.Option(help="Requests a second to one host.")]
Attempts: TypeAlias = Annotated[
    int, typer.Option(help="Times to ask where a failure may pass, with growing waits.")
]
MaxSide: TypeAlias = Annotated[int, typer.Option(help="Longest side of a stored image, in pixels.")]
UserAgent: TypeAlias = Annotated[
    str | None, typer.Option(help="Name to ask by; say who you are and how to reach you.")
]
AllowPrivate: TypeAlias = Annotated[
    bool, typer.Option("--allow-private", help="Connect to private networks and this machine too.")
]
IgnoreRobots: TypeAlias = Annotated[
    bool,
    typer.Option("--ignore-robots", help="Do not read robots.txt: the images are your own."),
]


def fetch_config(
    *,
    connections: int,
    rate: float,
    attempts: int,
    max_side: int,
    user_agent: str | None,
    allow_private: bool,
    ignore_robots: bool,
) -> "FetchConfig":
    """Return the settings of a download by the options of a command."""
    from windowshop.imports import FetchConfig

    config = FetchConfig(
        connections=connections, rate=rate, attempts=attempts, max_side=max_side,
        allow_private=allow_private, robots=not ignore_robots,
    )  # fmt: skip
    return config if user_agent is None else replace(config, user_agent=user_agent)


@needs_extra("import")
def fetch_images(
    shop: Annotated[Path, typer.Argument(help="Data folder whose products name web addresses.")],
    connections: Connections = 4,
    rate: Rate = 10.0,
    attempts: Attempts = 4,
    max_age: Annotated[
        float, typer.Option(help="Hours until a fetched image is asked for again.")
    ] = 24.0,
    max_side: MaxSide = 1024,
    user_agent: UserAgent = None,
    allow_private: AllowPrivate = False,
    ignore_robots: IgnoreRobots = False,
    remove_unused: Annotated[
        bool,
        typer.Option("--remove-unused", help="Remove stored images that no product names."),
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

    from windowshop.imports import fetch_images as run
    from windowshop.imports import render_fetch

    config = fetch_config(
        connections=connections, rate=rate, attempts=attempts, max_side=max_side,
        user_agent=user_agent, allow_private=allow_private, ignore_robots=ignore_robots,
    )  # fmt: skip
    config = replace(
        config,
        max_age_hours=max_age,
        remove_unused=remove_unused,
        group_near_duplicates=group_near_duplicates,
    )
    report = run(shop, config, reporter)
    if json_output:
        print_json(report.to_json())
    else:
        out.print(render_fetch(report))
