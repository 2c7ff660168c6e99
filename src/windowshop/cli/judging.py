"""Commands that make queries and judgements for a shop."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from windowshop.cli.options import Data, out, print_line, reporter, require_file
from windowshop.data import require_products
from windowshop.errors import ConfigError, DataError, needs_extra
from windowshop.files import INDEX, require_manifest

if TYPE_CHECKING:
    import polars as pl

    from windowshop.data import Dataset, JudgementConfig, WrittenJudgements

SHOWN_QUERIES = 5
SHOWN_POSITIONS = 10
"""Positions of the bias that are printed; the file has all."""


def judgements(
    source: Annotated[
        Path,
        typer.Argument(
            help="Index of a service, or a log: UBI, GA4 or Snowplow export, or plain tables."
        ),
    ],
    data_folder: Annotated[Path, typer.Option("--out", help="Data folder to write.")],
    shop: Annotated[
        Path | None,
        typer.Option(help="Data folder of the log's products, which are linked to the new one."),
    ] = None,
    correct: Annotated[
        bool, typer.Option(help="Correct for the position that products were shown at.")
    ] = True,
    by_time: Annotated[
        bool, typer.Option(help="Split by time as well as by text, where the log is long enough.")
    ] = True,
    cap: Annotated[int, typer.Option(help="Largest weight of a query, in visits.")] = 100,
    min_looks: Annotated[
        float,
        typer.Option(help="Looks that a product needs, with nothing come of it, to be grade 0."),
    ] = 1.0,
) -> None:
    """Make desirability judgements of what shoppers clicked, put in carts and bought."""
    if not source.exists():
        raise DataError(f"{source}: missing. Name an index, a log file or a folder of them.")
    if shop is not None:
        require_products(shop)

    from windowshop.data import JudgementConfig, write_judgements

    config = JudgementConfig(correct=correct, by_time=by_time, cap=cap, min_looks=min_looks)
    if (source / "generations").is_dir():
        written = _of_index(source, data_folder, config)
    else:
        written = write_judgements(source, data_folder, shop, config)
    _print(written, data_folder)


@needs_extra("serve")
def _of_index(index: Path, data_folder: Path, config: "JudgementConfig") -> "WrittenJudgements":
    from windowshop.service import judge_index

    return judge_index(index, data_folder, config)


def queries(
    shop: Annotated[Path, typer.Argument(help="Data folder with products.")],
    data_folder: Annotated[
        Path | None,
        typer.Option("--out", help="Data folder to write; default: SHOP, where it has no queries."),
    ] = None,
    count: Annotated[
        int,
        typer.Option(
            min=0, help="Queries of the catalogue's values; 0 is four a product, at most 2,000."
        ),
    ] = 0,
    with_test: Annotated[
        bool, typer.Option("--with-test", help="Put some into split test as well.")
    ] = False,
    suggestions: Annotated[
        Path | None,
        typer.Option(help="File of the shop's search suggestions: a text a line, or a table."),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(help="OpenAI-compatible address to ask for queries too; off by default."),
    ] = None,
    endpoint_model: Annotated[str, typer.Option(help="Model of the endpoint.")] = "",
    endpoint_products: Annotated[
        int, typer.Option(help="Products to ask the endpoint about, one request each.")
    ] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
) -> None:
    """Make synthetic queries with grades for a shop, of what its catalogue states."""
    require_products(shop)
    require_file("--suggestions", suggestions)

    from windowshop.training import EndpointConfig, ShopQueriesConfig, write_shop_queries

    asked = None
    if endpoint is not None:
        asked = EndpointConfig(url=endpoint, model=endpoint_model, products=endpoint_products)
    config = ShopQueriesConfig(
        count=count, seed=seed, with_test=with_test, suggestions=suggestions, endpoint=asked
    )
    made = write_shop_queries(shop, data_folder, config)
    line = ", ".join(f"{number:,} {name}" for name, number in made.counts().items())
    print_line(f"{data_folder or shop}: synthetic queries: {line}")
    for text in made.queries["query"].head(SHOWN_QUERIES):
        print_line(f"  {text}")


def judge(
    data: Data,
    endpoint: Annotated[
        str, typer.Option(help="OpenAI-compatible address, HTTPS or on this machine.")
    ],
    model: Annotated[str, typer.Option(help="Model of the endpoint.")],
    index: Annotated[
        Path | None,
        typer.Option(help="Index whose first results are graded; default: pairs people judged."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=100, help="Results of each query.")] = 10,
    pairs: Annotated[
        Path | None, typer.Option(help="Table of query_id and product_id to grade instead.")
    ] = None,
    split: Annotated[str, typer.Option(help="Which queries: train, dev or test.")] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="Pairs at most.")] = None,
    rubric: Annotated[
        Path | None,
        typer.Option(help="Text of what each grade means, a line each from 0; default: 0 to 3."),
    ] = None,
    grades_file: Annotated[
        Path | None,
        typer.Option("--out", help="File of grades; default: endpoint_grades.jsonl in DATA."),
    ] = None,
) -> None:
    """Grade results by a language model, apart from people's grades, and say how far they agree.

    Query and product texts go to the endpoint that you name. Its key is read from OPENAI_API_KEY.
    """
    require_products(data)
    for option, path in (("--pairs", pairs), ("--rubric", rubric)):
        require_file(option, path)
    if index is not None and pairs is not None:
        raise ConfigError("--index and --pairs name different pairs. Leave out one of them.")
    if index is not None:
        require_manifest(index, INDEX)

    from windowshop.data import read_dataset
    from windowshop.evaluation import (
        GRADES_FILE,
        Chat,
        agreement,
        check_endpoint,
        first_pairs,
        grade_pairs,
        judged_pairs,
        open_grades,
        read_pairs,
        rubric_for,
    )

    check_endpoint(endpoint, model)
    dataset = read_dataset(data)
    levels, path = rubric_for(dataset, rubric), grades_file or data / GRADES_FILE
    if pairs is not None:
        wanted = read_pairs(pairs)
    else:
        wanted = (
            judged_pairs(dataset, split) if index is None else _served(index, dataset, split, top)
        )
    if limit is not None:
        wanted = first_pairs(wanted, limit)
    with Chat(endpoint, model) as chat, open_grades(path, model, levels) as file:
        judged = grade_pairs(chat, dataset, wanted, levels, file, reporter)
        agreed = agreement(dataset, file.kept)
    counts = {
        "graded": judged.num_graded,
        "from before": judged.num_kept,
        "without a usable answer": judged.num_refused,
        "of queries without text": judged.num_textless,
    }
    line = ", ".join(
        f"{count:,} {name}" for name, count in counts.items() if count or name == "graded"
    )
    print_line(f"{path}: {line}")
    print_line(agreed.sentence())
    if index is not None and not agreed.num_pairs:
        print_line("Leave out --index to grade the pairs that people judged, and compare.")


@needs_extra("train")
def _served(index: Path, dataset: "Dataset", split: str, top: int) -> "pl.DataFrame":
    from windowshop.search import open_searcher, served_pairs

    with closing(open_searcher(index, read_only=True)) as searcher:
        return served_pairs(searcher, dataset, split, top, reporter)


def _print(written: "WrittenJudgements", data_folder: Path) -> None:
    judged, counts = written.judged, written.counts
    for name, told in written.formats.items():
        print_line(f"{name}: {told}")
    line = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
    print_line(f"{data_folder}: {line}")
    for note in judged.notes:
        out.print(note, style="yellow", highlight=False)
    if judged.bias is None:
        return
    table = Table(
        title=f"Looks at a position, from {judged.bias.num_pairs:,} products that changed places",
        title_justify="left",
        title_style="bold",
    )
    for column in ("position", "shown", "clicked", "expected", "looked at", "95%"):
        table.add_column(column, justify="right")
    for row in judged.fit.head(SHOWN_POSITIONS).to_dicts():
        span = f"{row['low']:.3f} to {row['high']:.3f}" if row["own"] else "by the others"
        table.add_row(
            str(row["position"]),
            f"{row['shown']:,}",
            f"{row['clicked']:,}",
            f"{row['expected']:,.0f}",
            f"{row['look']:.3f}",
            span,
        )
    out.print(table)
