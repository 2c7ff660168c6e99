"""Several categories of a product: `category` holds the first path, CATEGORY_PATHS all of them."""

import polars as pl

from windowshop.data.list_columns import has_items, items_of, tidy

CATEGORY, CATEGORY_PATHS = "category", "category_paths"


def split_paths(products: pl.DataFrame) -> pl.DataFrame:
    """Read lists of paths in `category`, also in JSON.

    CATEGORY_PATHS is added where a product has several; one of one path has it in both columns.
    """
    if CATEGORY not in products.columns:
        return products
    column = products[CATEGORY]
    if column.dtype == pl.String:
        if not column.str.starts_with("[").any():
            return products
        rows = [items_of(value) for value in column.to_list()]
    elif has_items(column.dtype):
        rows = tidy(column).to_list()
    else:
        return products
    paths = [[str(item).strip() for item in row or () if item is not None] for row in rows]
    paths = [[path for path in dict.fromkeys(row) if path] for row in paths]
    products = products.with_columns(
        pl.Series(CATEGORY, [row[0] if row else None for row in paths], dtype=pl.String)
    )
    if CATEGORY_PATHS in products.columns or all(len(row) < 2 for row in paths):
        return products
    listed = [row or None for row in paths]
    return products.with_columns(pl.Series(CATEGORY_PATHS, listed, dtype=pl.List(pl.String)))


def cut_paths(paths: pl.Series, num_levels: int) -> pl.Series:
    """Return paths up to a level: "A > B > C" by two is "A > B"; null where there are fewer.

    `paths` are texts, or lists of them, which keep those that are long enough.
    """
    is_listed = isinstance(paths.dtype, pl.List)
    whole = (paths.explode() if is_listed else paths).drop_nulls().unique()
    levels = [[level.strip() for level in path.split(">")] for path in whole]
    cut = [" > ".join(own[:num_levels]) if len(own) >= num_levels else None for own in levels]
    short = pl.Series(cut, dtype=pl.String)
    path = pl.element() if is_listed else pl.col(paths.name)
    found = path.replace_strict(whole, short, default=None, return_dtype=pl.String)
    if is_listed:
        found = pl.col(paths.name).list.eval(found).list.drop_nulls()
    return paths.to_frame().select(found.alias(paths.name)).to_series()


def every_path(products: pl.DataFrame) -> pl.Series:
    """Return the paths of each product as a list, named CATEGORY."""
    alone = pl.when(pl.col(CATEGORY).is_not_null()).then(pl.concat_list(CATEGORY))
    several = pl.when(pl.col(CATEGORY_PATHS).list.len() > 0).then(pl.col(CATEGORY_PATHS))
    every = pl.coalesce(several, alone)
    return products.select(every.alias(CATEGORY)).to_series()
