"""The command that writes products, vectors, models and logs in the forms of other systems."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from windowshop.cli.options import CacheOption, print_line, reporter
from windowshop.data import require_folder, require_products
from windowshop.errors import ConfigError, needs_extra
from windowshop.files import DEFAULT_CACHE, INDEX, MODEL, is_of_kind, require_manifest, write_atomic
from windowshop.registry import BULK_FORMATS

SENTENCE, CARD, FEED, UBI = "sentence-transformers", "model-card", "openai-feed", "ubi"
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from windowshop.index import Catalogue, FeedConfig

    TargetChoice: TypeAlias = str
else:
    TargetChoice = Literal[(*BULK_FORMATS, SENTENCE, CARD, FEED, UBI)]


def export(
    source: Annotated[
        Path,
        typer.Argument(help="Index, model or data folder.", metavar="INDEX_OR_MODEL_OR_DATA"),
    ],
    to: Annotated[TargetChoice, typer.Option(help="Form to write.")],
    place: Annotated[Path, typer.Option("--out", help="Folder or file to write.")],
    data: Annotated[
        Path | None, typer.Option(help="Data folder whose products a model encodes.")
    ] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(help="JSON of `windowshop evaluate`, whose figures the model card shows."),
    ] = None,
    currency: Annotated[
        str, typer.Option(help="Currency of a feed's prices, for example EUR.")
    ] = "",
    link: Annotated[
        str, typer.Option(help="Address of a feed's products, with {product_id} in it.")
    ] = "",
    image_link: Annotated[
        str, typer.Option(help="Address of a feed's images, with {image} in it.")
    ] = "",
    availability: Annotated[
        str, typer.Option(help="Availability of a feed's products that name none.")
    ] = "unknown",
    seller: Annotated[str, typer.Option(help="Name of a feed's seller.")] = "",
    seller_url: Annotated[str, typer.Option(help="Address of a feed's seller.")] = "",
    country: Annotated[str, typer.Option(help="Country that a feed's seller sells in.")] = "",
    cache: CacheOption = DEFAULT_CACHE,
) -> None:
    """Write products with vectors, a model, a feed or a log in the form of another system."""
    require_folder(source)
    if to in BULK_FORMATS:
        _products(source, to, place, data, cache)
    elif to in (SENTENCE, CARD):
        _model(source, to, place, evaluation)
    elif to == UBI:
        _log(source, place)
    else:
        from windowshop.index import FeedConfig

        config = FeedConfig(
            currency=currency,
            link=link,
            image_link=image_link,
            availability=availability,
            seller_name=seller,
            seller_url=seller_url,
            country=country,
        )
        _feed(source, place, config)


def _products(source: Path, to: str, place: Path, data: Path | None, cache: Path) -> None:
    if is_of_kind(source, MODEL):
        if data is None:
            raise ConfigError(f"{source}: is a model. Name the products with --data, or an index.")
        catalogue = _encoded(source, data, cache)
    else:
        require_manifest(source, INDEX)
        from windowshop.index import index_catalogue

        catalogue = index_catalogue(source)
    from windowshop.index import export_products

    done = export_products(catalogue, to, place, reporter)
    told = f"{done.num_products:,} products, {done.num_without_vector:,} of them without a vector"
    print_line(f"{place}: {told}")


def _encoded(source: Path, data: Path, cache: Path) -> "AbstractContextManager[Catalogue]":
    require_products(data)
    from windowshop.data import read_dataset
    from windowshop.index import data_catalogue
    from windowshop.model import load_encoder

    return data_catalogue(load_encoder(source), read_dataset(data), cache, reporter)


@needs_extra("train")
def _model(source: Path, to: str, place: Path, evaluation: Path | None) -> None:
    require_manifest(source, MODEL)
    from windowshop.model import export_sentence_model, model_card

    if to == SENTENCE:
        export_sentence_model(source, place, evaluation)
    else:
        card = model_card(source, evaluation)
        write_atomic(place, lambda aside: aside.write_text(card, "utf-8"), "file")
    print_line(f"{place}: written")


@needs_extra("serve")
def _log(source: Path, place: Path) -> None:
    require_manifest(source, INDEX)
    from windowshop.service import write_ubi

    counts = write_ubi(source, place)
    print_line(f"{place}: {', '.join(f'{count:,} {name}' for name, count in counts.items())}")


def _feed(source: Path, place: Path, config: "FeedConfig") -> None:
    from contextlib import closing

    from windowshop.data import read_products
    from windowshop.index import open_products, write_feed

    if is_of_kind(source, INDEX):
        with closing(open_products(source, read_only=True)) as held:
            products = held.table()
    else:
        products = read_products(source)
    counts = write_feed(products, place, config)
    print_line(f"{place}: {counts.num_products:,} products")
    for name, count in counts.lacking.items():
        print_line(f"{count:,} products left out: they have no {name}")
