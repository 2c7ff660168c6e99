"""The products table of a shop: web addresses of its images in, paths of their files out.

Addresses stand in `image_url` (the first) and `image_urls` (further ones), or in `image` and
`images`, from where they are moved. Nothing else of the table changes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from windowshop.data import PRODUCT_SCHEMA, parse_images, read_table, require_products
from windowshop.errors import DataError
from windowshop.files import write_atomic
from windowshop.imports.images.addresses import split_urls

WEB_ADDRESS = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//", re.I)
LINKED = ("image_url", "image_urls", "image", "images")
STORED = re.compile(r"images/[0-9a-f]{2}/[0-9a-f]{32}\.jpg")
"""Path of an image that an earlier download stored."""


@dataclass(frozen=True, slots=True)
class ProductLinks:
    """The products of a shop, and the web addresses of each in the table's order."""

    path: Path
    table: pl.DataFrame
    urls: list[list[str]]
    files: list[list[str]]
    """Paths of images that are files already, of each product."""

    def every_url(self) -> list[str]:
        """Return each address once, in order."""
        return list(dict.fromkeys(url for urls in self.urls for url in urls))


def read_links(shop: Path) -> ProductLinks:
    """Read a products table; raises DataError where it names no web address."""
    path = require_products(shop)
    texts: dict[str, pl.DataType] = {name: pl.String() for name in ("image_url", "image_urls")}
    table = read_table(path, PRODUCT_SCHEMA | texts, keep_lists=True)
    if "product_id" not in table.columns:
        raise DataError(
            f"{path}: column 'product_id' is missing, found {table.columns}. "
            "Add it or rename the column that holds it."
        )
    columns = [table[name].to_list() for name in LINKED if name in table.columns]
    urls, files = [], []
    for cells in zip(*columns, strict=True):
        named = [part for cell in cells for item in parse_images(cell) for part in split_urls(item)]
        urls.append(list(dict.fromkeys(n.strip() for n in named if WEB_ADDRESS.match(n))))
        own = (name for name in named if not WEB_ADDRESS.match(name))
        files.append(list(dict.fromkeys(name for name in own if not STORED.fullmatch(name))))
    if not any(urls):
        raise DataError(
            f"{path}: no web address of an image, found {table.columns}. "
            "Write them into a column `image_url`, further ones into `image_urls`."
        )
    return ProductLinks(path, table, urls, files)


def write_images(links: ProductLinks, found: Mapping[str, str], groups: Mapping[str, str]) -> Path:
    """Write products.parquet with the paths of the images; returns its path.

    `found` has the file of each address that gave one, `groups` another group for some groups. A
    table of another format is kept beside the new one, with `.before` at its name's end.
    """
    paths = [
        list(dict.fromkeys([*files, *(found[url] for url in urls if url in found)]))
        for urls, files in zip(links.urls, links.files, strict=True)
    ]
    listed = pl.List(pl.String)
    table = links.table.with_columns(
        pl.Series("image", [names[0] if names else None for names in paths], pl.String),
        pl.Series("images", [names[1:] or None for names in paths], listed),
        pl.Series("image_url", [urls[0] if urls else None for urls in links.urls], pl.String),
        pl.Series("image_urls", [urls[1:] or None for urls in links.urls], listed),
    )
    if groups:
        ids = group_ids(links.table)
        table = table.with_columns(pl.Series("group_id", [groups.get(i, i) for i in ids]))
    path = links.path.with_name("products.parquet")
    write_atomic(path.with_name(".products.new"), table.write_parquet)
    if links.path != path:
        links.path.rename(links.path.with_name(f"{links.path.name}.before"))
    path.with_name(".products.new").replace(path)
    return path


def named_images(path: Path) -> set[str]:
    """Return the paths of all images that a table names."""
    table = pl.read_parquet(path, columns=["image", "images"])
    return {*table["image"].drop_nulls(), *table["images"].explode().drop_nulls()}


def group_ids(table: pl.DataFrame) -> list[str]:
    """Return the group of each product; one without a group is its own."""
    ids = table["product_id"]
    return (table["group_id"].fill_null(ids) if "group_id" in table.columns else ids).to_list()
