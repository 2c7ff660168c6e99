"""Build the fashion benchmark from the public catalogue, for whoever has it.

    python benchmarks/build_fashion.py FASHION-DATASET --out fashion

FASHION-DATASET is the unpacked "Fashion Product Images" dataset (44,000 products of an Indian shop,
https://www.kaggle.com/datasets/paramaggarwal/fashion-product-images-dataset), with
`styles/ID.json` and `images/ID.jpg`. Its licence is not stated, so it is not part of this
repository. The benchmark takes products 10000 to 21539. A folder that has products.parquet
(columns of `Product`; `attributes` as JSON) and duplicate_images.json (`dup_image_groups`: lists of
ids) is read in place of the dump.

Nothing is drawn at random and nothing is written by a person: facts come from the catalogue's
attributes, and hashes of names decide all else, so equal sources give equal tables. Half of the
duplicate groups lose what an image shows from their texts; queries ask for combinations of facts,
and what a product answers is computed from the facts before that loss. Half of the groups are cold:
no training judgement names them. Queries are split by combination; one part of them is kept out of
the folder, for acceptance (`--kept` writes it).
"""

import argparse
import hashlib
import html
import json
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from fashion_words import COMBINATIONS, VISUAL, Facts, Wish, facts_of, query_text, without_looks
from PIL import Image, ImageOps

FIRST, LAST = 10_000, 21_539
SIDE = 224
"""Side of the benchmark's images in pixels."""
MIN_BRAND = 15
"""A brand of fewer products is not asked for."""
MIN_ANSWERS, MAX_ANSWERS, MIN_GROUPS = 3, 250, 3
MAX_PER_COMBINATION = 260
RIGHT, NEARLY = 3, 1
"""Grades: all that was asked; all but one thing."""
SPLITS = {"train": 0.55, "dev": 0.65, "test": 0.85, "kept": 1.0}
"""Upper ends of each split's share of the hashes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """One product of the catalogue."""

    product_id: str
    title: str
    brand: str | None
    description: str | None
    category: str
    price: float | None
    attributes: Mapping[str, Any]
    """article_type, age_group, gender, base_colour, season, usage, article_attributes."""
    image_path: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Products in the order of their ids, and lists of those that share an image's bytes."""

    products: list[Product]
    same_image: list[list[str]]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Tables of the data format; `queries` and `qrels` with the kept split too."""

    products: pl.DataFrame
    queries: pl.DataFrame
    qrels: pl.DataFrame


def share(key: str) -> float:
    """Return a number in [0, 1) that a text always has."""
    return int(hashlib.sha256(key.encode()).hexdigest()[:12], 16) / 16**12


def read_catalogue(folder: Path) -> Catalogue:
    """Read the dump, or a table that was made of it."""
    if not (folder / "products.parquet").exists():
        return read_dump(folder)
    fields = list(Product.__dataclass_fields__)
    rows = pl.read_parquet(folder / "products.parquet").select(fields).to_dicts()
    duplicates = json.loads((folder / "duplicate_images.json").read_text(encoding="utf-8"))
    products = [Product(**{**row, "attributes": json.loads(row["attributes"])}) for row in rows]
    return Catalogue(products, duplicates["dup_image_groups"])


def read_dump(folder: Path, first: int = FIRST, last: int = LAST) -> Catalogue:
    """Read the styles in a range of ids that have an image."""
    products, by_bytes = [], defaultdict(list)
    for number in range(first, last + 1):
        style, image = folder / "styles" / f"{number}.json", folder / "images" / f"{number}.jpg"
        if style.exists() and image.exists():
            data = json.loads(style.read_text(encoding="utf-8"))["data"]
            products.append(_product(data, f"images/{image.name}"))
            by_bytes[hashlib.sha256(image.read_bytes()).digest()].append(str(number))
    return Catalogue(products, [ids for ids in by_bytes.values() if len(ids) > 1])


def _product(data: Mapping[str, Any], image_path: str) -> Product:
    described = (data.get("productDescriptors") or {}).get("description") or {}
    names = {"age_group": "ageGroup", "gender": "gender", "base_colour": "baseColour"}
    names |= {"season": "season", "usage": "usage", "article_attributes": "articleAttributes"}
    article = data["articleType"]["typeName"]
    path = (data["masterCategory"]["typeName"], data["subCategory"]["typeName"], article)
    return Product(
        product_id=str(data["id"]),
        title=data["productDisplayName"],
        brand=data.get("brandName"),
        description=_plain(described.get("value") or "") or None,
        category=" > ".join(path),
        price=data.get("price"),
        attributes={"article_type": article, **{n: data.get(key) for n, key in names.items()}},
        image_path=image_path,
    )


def _plain(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def duplicate_groups(catalogue: Catalogue) -> dict[str, str]:
    """Return product -> group: same image, or same brand and title; named for a member."""
    parent = {product.product_id: product.product_id for product in catalogue.products}

    def root(product_id: str) -> str:
        while parent[product_id] != product_id:
            product_id = parent[product_id]
        return product_id

    titles = defaultdict(list)
    for product in catalogue.products:
        if product.brand is not None:
            titles[product.brand, product.title].append(product.product_id)
    for ids in (*catalogue.same_image, *(ids for _, ids in sorted(titles.items()))):
        for other in ids[1:]:
            if other in parent and ids[0] in parent:
                parent[root(other)] = root(ids[0])
    return {product_id: root(product_id) for product_id in parent}


def build(catalogue: Catalogue) -> Benchmark:
    """Return the benchmark's tables."""
    sizes = Counter(product.brand for product in catalogue.products)
    facts = {
        product.product_id: facts_of(
            product.attributes, product.brand if sizes[product.brand] >= MIN_BRAND else None
        )
        for product in catalogue.products
    }
    groups = duplicate_groups(catalogue)
    cold = {group for group in groups.values() if share(f"cold:{group}") < 0.5}
    queries, qrels = judged(wishes(facts, groups), facts, groups, cold)
    return Benchmark(products_table(catalogue.products, facts, groups, cold), queries, qrels)


def products_table(
    products: Iterable[Product],
    facts: Mapping[str, Facts],
    groups: Mapping[str, str],
    cold: set[str],
) -> pl.DataFrame:
    """Return the products as a shop would list them, half of the groups with sparse texts."""
    colours = {word for known in facts.values() for word in (known.axes["colour"] or "").split()}
    rows = []
    for product in products:
        group = groups[product.product_id]
        sparse = share(f"text:{group}") < 0.5
        title = without_looks(product.title, colours) if sparse else product.title
        rows.append(
            {
                "product_id": product.product_id,
                "group_id": group,
                "title": title,
                "description": None if sparse else product.description or None,
                "brand": product.brand or None,
                "category": product.category,
                "price": product.price,
                "attributes": None if sparse else _listed(product.attributes),
                "text_quality": "sparse" if sparse else "full",
                "image": product.image_path,
                "cold": group in cold,
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def _listed(attributes: Mapping[str, Any]) -> str:
    shown = {name: attributes.get(name) for name in ("gender", "usage", "season")}
    shown |= {"colour": attributes.get("base_colour")}
    shown |= attributes.get("article_attributes") or {}
    return json.dumps({name: value for name, value in shown.items() if value}, sort_keys=True)


def wishes(facts: Mapping[str, Facts], groups: Mapping[str, str]) -> list[tuple[Wish, str]]:
    """Return what is asked with its words: each text once, in the order of hashes.

    A wish needs some answers of several groups, but not too many.
    """
    answers: dict[Wish, set[str]] = defaultdict(set)
    for product_id, known in facts.items():
        for wish in _wishes_met(known):
            answers[wish].add(product_id)
    usable = [
        wish
        for wish, met in answers.items()
        if MIN_ANSWERS <= len(met) <= MAX_ANSWERS and len({groups[p] for p in met}) >= MIN_GROUPS
    ]
    asked: list[tuple[Wish, str]] = []
    texts: set[str] = set()
    counts: Counter[Sequence[str]] = Counter()
    for wish in sorted(usable, key=lambda wish: share(f"pick:{wish!r}")):
        text, axes = query_text(wish, share(f"form:{wish!r}")), wish[2]
        if text not in texts and counts[axes] < MAX_PER_COMBINATION:
            texts.add(text)
            counts[axes] += 1
            asked.append((wish, text))
    return asked


def _wishes_met(known: Facts) -> Iterator[Wish]:
    for axes in COMBINATIONS:
        values = tuple(known.axes[axis] or "" for axis in axes)
        if all(values):
            for wearer in known.wearers:
                yield known.kind, wearer, axes, values


def judged(
    asked: Iterable[tuple[Wish, str]],
    facts: Mapping[str, Facts],
    groups: Mapping[str, str],
    cold: set[str],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return queries and qrels; a query that has no right product left is dropped."""
    alike = defaultdict(list)
    for product_id, known in facts.items():
        for wearer in known.wearers:
            alike[known.kind, wearer].append(product_id)
    queries, qrels = [], []
    for place, (wish, text) in enumerate(asked):
        kind, wearer, axes, values = wish
        query_id, split = f"q{place:05d}", _split(wish)
        seen = VISUAL.intersection(axes)
        looks = "visual" if len(seen) == len(axes) else "mixed" if seen else "textual"
        queries.append((query_id, text, split, looks, "+".join(axes)))
        for product_id in alike[kind, wearer]:
            met = sum(facts[product_id].axes[a] == v for a, v in zip(axes, values, strict=True))
            grade = _grade(met, len(axes))
            if grade and not (split == "train" and groups[product_id] in cold):
                qrels.append((query_id, product_id, grade))
    names = ["query_id", "query", "split", "kind", "axes"]
    query_table = pl.DataFrame(queries, schema=dict.fromkeys(names, pl.String), orient="row")
    schema = {"query_id": pl.String, "product_id": pl.String, "grade": pl.Int64}
    qrel_table = pl.DataFrame(qrels, schema=schema, orient="row")
    right = qrel_table.filter(grade=RIGHT).select("query_id")
    query_table, qrel_table = (
        table.join(right, on="query_id", how="semi", maintain_order="left")
        for table in (query_table, qrel_table)
    )
    return query_table, qrel_table


def _grade(met: int, asked: int) -> int:
    if met == asked:
        return RIGHT
    return NEARLY if asked > 1 and met == asked - 1 else 0


def _split(wish: Wish) -> str:
    found = share(f"split:{wish!r}")
    return next(name for name, end in SPLITS.items() if found < end)


def write(benchmark: Benchmark, out: Path, *, kept: bool = False) -> None:
    """Write queries and qrels of the kept split, or a data folder of all others."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = (pl.col("split") == "kept") == kept
    queries = benchmark.queries.filter(chosen)
    queries.write_parquet(out / "queries.parquet")
    benchmark.qrels.join(queries, on="query_id", how="semi", maintain_order="left").write_parquet(
        out / "qrels.parquet"
    )
    if not kept:
        benchmark.products.write_parquet(out / "products.parquet")


def write_images(catalogue: Catalogue, folder: Path, out: Path) -> None:
    """Write the products' images, larger ones on a white square of the benchmark's side."""
    for product in catalogue.products:
        source, target = folder / product.image_path, out / product.image_path
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(source) as image:
            if max(image.size) <= SIDE:
                shutil.copyfile(source, target)
            else:
                square = ImageOps.pad(image.convert("RGB"), (SIDE, SIDE), color="white")
                square.save(target, quality=90)


def main(arguments: Sequence[str] | None = None) -> None:
    """Build and write the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kept", type=Path, help="folder for queries and qrels of the kept split")
    given = parser.parse_args(arguments)
    catalogue = read_catalogue(given.source)
    benchmark = build(catalogue)
    write(benchmark, given.out)
    write_images(catalogue, given.source, given.out)
    if given.kept is not None:
        write(benchmark, given.kept, kept=True)
    print(f"{given.out}: {len(benchmark.products):,} products, {len(benchmark.queries):,} queries")


if __name__ == "__main__":
    main()
