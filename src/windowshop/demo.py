"""A seed -> a generated shop in the data set folder format, to try everything without real data.

Products get their facts (kind, colour, brand, ...) first; photos, texts, queries and grades follow
from the facts, and a click log is simulated from the grades. Nothing comes from a real shop.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from windowshop.drawing import PALETTE, PATTERNS, Look, contrasting, draw
from windowshop.errors import ConfigError, DataError

# Shapes: Q queries, N products, W warm products, S sessions, K products shown in a session.
Rng = np.random.Generator
Counts = npt.NDArray[np.int64]
Combination = tuple[tuple[str, str], ...]
T = TypeVar("T")

MIN_PRODUCTS, MIN_SIDE, MAX_SIDE = 100, 32, 1024
GROUP_SIZES = (1, 1, 1, 1, 1, 1, 1, 2, 2, 3)
NO_IMAGE_SHARE = 0.06
"""Of the products with full text, so that each fact can be read or seen."""
CLICK_CHANCE = (0.04, 0.2, 0.0, 0.6)
"""By grade, at the first position, for a photo that shows all that was asked."""
EVENTS = (("impression", np.inf, 0), ("click", 1.0, 5), ("cart", 0.25, 40), ("purchase", 0.1, 300))
"""Event, its share of the clicks, seconds after the product was seen."""
LOG_START, LOG_DAYS, RESULTS_SHOWN = datetime(2024, 1, 1), 90, 10


@dataclass(frozen=True, slots=True)
class Kind:
    """What all products of one kind share; `price` is the median."""

    category: str
    price: float
    materials: tuple[str, ...]
    sizes: tuple[str, ...]
    purpose: str


WORN, FEET = ("S", "M", "L", "XL"), ("36-38", "39-42", "43-46")
HELD, CUPS = ("Small", "Medium", "Large"), ("250 ml", "350 ml", "450 ml")
KINDS = {
    "t-shirt": Kind("Clothing > Tops > T-Shirts", 19, ("cotton", "jersey", "hemp"), WORN, "summer"),
    "shirt": Kind("Clothing > Tops > Shirts", 39, ("cotton", "linen", "flannel"), WORN, "work"),
    "dress": Kind("Clothing > Dresses", 59, ("linen", "viscose", "silk"), WORN, "garden parties"),
    "skirt": Kind("Clothing > Skirts", 35, ("cotton", "viscose", "wool"), WORN, "every day"),
    "socks": Kind("Clothing > Hosiery > Socks", 8, ("cotton", "wool", "hemp"), FEET, "cold feet"),
    "cap": Kind("Accessories > Hats > Caps", 18, ("cotton", "canvas", "wool"), WORN, "sunny days"),
    "tote bag": Kind(
        "Accessories > Tote Bags", 29, ("canvas", "jute", "leather"), HELD, "the market"
    ),
    "umbrella": Kind("Accessories > Umbrellas", 24, ("nylon", "polyester"), HELD, "rainy days"),
    "mug": Kind("Home > Kitchen > Mugs", 12, ("stoneware", "porcelain"), CUPS, "coffee and tea"),
    "vase": Kind("Home > Decoration > Vases", 34, ("ceramic", "glass"), HELD, "a fresh bouquet"),
    "cushion": Kind("Home > Cushions", 22, ("linen", "velvet", "wool"), HELD, "sofa and bed"),
    "lamp": Kind("Home > Lighting > Lamps", 64, ("paper", "linen", "glass"), HELD, "reading"),
}
BRANDS: tuple[str, ...] = ("Brightwell", "Norvik", "Tamsin", "Oakhurst", "Lumara", "Pellow")
BRANDS += ("Castanet", "Hollis", "Ferrant", "Quillon", "Marlowe", "Sundby")

FULL_TITLES = (
    "{brand} {pattern} {material} {kind} in {colour}",
    "{brand} {pattern} {colour} {kind}",
    "{material} {kind} by {brand}, {pattern} {colour}",
    "{pattern} {colour} {kind} in {material} by {brand}",
)
SPARSE_TITLES = ("{brand} {material} {kind}", "{material} {kind} by {brand}")
FIRST_SENTENCES = ("{kind} in {look}.", "{material} {kind}, {look}.", "our {kind}: {look}.")
FURTHER_SENTENCES = (
    "made for {purpose}.",
    "the {material} keeps its shape and is easy to care for.",
    "designed by {brand} and shipped in recycled packaging.",
    "finished by hand in small runs.",
)
WORDINGS = {
    "t-shirt": ("tee",),
    "tote bag": ("tote", "shopper"),
    "mug": ("coffee mug",),
    "striped": ("stripy", "with {}stripes"),
    "checked": ("checkered", "with {}checks"),
    "dotted": ("polka dot", "with {}dots"),
    "zigzag": ("chevron", "with {}zigzags"),
    "floral": ("flowery", "with {}flowers"),
    "plain": ("solid", "single-colour"),
}
"""Other words for a kind or pattern; a pattern's last one can name its colour."""
ENDINGS = {"brand": "by {}", "colour": "in {}", "material": "made of {}"}
VISIBLE_AXES = ("kind", "colour", "pattern", "accent")
AXES = (*VISIBLE_AXES, "brand", "material")
ATTRIBUTES = ("colour", "accent", "pattern", "material", "size")
QUERY_PLAN = (
    ("visual", "colour", 70),
    ("visual", "pattern", 60),
    ("visual", "colour+pattern", 120),
    ("visual", "colour+pattern+accent", 40),
    ("textual", "brand", 60),
    ("textual", "material", 30),
    ("textual", "brand+material", 50),
    ("mixed", "brand+colour", 70),
    ("mixed", "colour+material", 60),
    ("mixed", "colour+pattern+material", 60),
)
"""Query kind, the facts asked for besides the product's kind, how many such queries at most."""
README = """# A generated shop

All of this was generated by windowshop from the settings {settings}: invented brands, drawn photos,
texts from templates. Use it to try the commands, not to judge a model for a real shop.

- Half of the products (`text_quality` sparse) have a title without colour and pattern, and no
  description or attributes. Half of the groups are `cold`: no train query has a judgement of them.
- Grade 3: all that was asked holds. Grade 1: all but one thing, and the kind of product is right.
  Grades follow from the true facts, whatever the text tells; a product's colour is its main one.
- `clicks.parquet` is a **simulated** log of the train queries. No person clicked: the chance falls
  with the position and rises with the grade and with how much of what was asked the photo shows.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoConfig:
    """Settings of the generated shop; equal settings give equal tables."""

    num_products: int = 2000
    seed: int = 0
    image_side: int = 160
    """Pixels of the square photos."""

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.num_products < MIN_PRODUCTS:
            raise ConfigError(f"num_products={self.num_products} must be at least {MIN_PRODUCTS}.")
        if self.seed < 0:
            raise ConfigError(f"seed={self.seed} must be 0 or more.")
        if not MIN_SIDE <= self.image_side <= MAX_SIDE:
            raise ConfigError(f"image_side={self.image_side} must be {MIN_SIDE} to {MAX_SIDE}.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """The true facts of one product, whether its text tells them or not."""

    product_id: str
    group_id: str
    kind: str
    brand: str
    material: str
    price: float
    colour: str
    pattern: str
    accent: str | None
    """The pattern's colour."""
    size: str | None
    """Only where the variants of a group differ in size."""
    is_sparse: bool
    is_cold: bool
    has_image: bool


@dataclass(frozen=True, slots=True)
class Query:
    """One query and the facts that it asks for, by axis; the kind is always among them."""

    query_id: str
    query: str
    split: str
    kind: str
    axes: str
    facts: dict[str, str]


def write_demo(folder: Path, config: DemoConfig) -> None:
    """Write the shop to a new folder, which appears under its name only when it is complete."""
    if folder.exists():
        raise DataError(f"{folder}: already exists. Delete it, or choose another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as work:
        made = Path(work) / folder.name
        (made / "images").mkdir(parents=True)
        products = _products(config)
        _write_tables(made, products, config.seed)
        for number, product in enumerate(products):
            if product.has_image:
                rng = np.random.default_rng([config.seed, 1, number])
                look = Look(product.kind, product.colour, product.pattern, product.accent)
                photo = draw(look, config.image_side, rng)
                photo.save(made / "images" / f"{product.product_id}.jpg", quality=90)
        (made / "README.md").write_text(README.format(settings=asdict(config)), encoding="utf-8")
        made.rename(folder)


def _write_tables(folder: Path, products: Sequence[Product], seed: int) -> None:
    queries = _queries(products, seed)
    grades_QN = _grades(queries, products)
    judged = np.argwhere(grades_QN).tolist()
    qrels = {
        "query_id": [queries[row].query_id for row, _ in judged],
        "product_id": [products[column].product_id for _, column in judged],
        "grade": grades_QN[grades_QN > 0],
    }
    rows = _product_rows(products, seed)
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(folder / "products.parquet")
    pl.DataFrame(queries).drop("facts").write_parquet(folder / "queries.parquet")
    pl.DataFrame(qrels).write_parquet(folder / "qrels.parquet")
    _clicks(queries, products, grades_QN, seed).write_parquet(folder / "clicks.parquet")


def _products(config: DemoConfig) -> list[Product]:
    rng = np.random.default_rng([config.seed, 2])
    products: list[Product] = []
    while len(products) < config.num_products:
        products.extend(_group(f"p{len(products):05d}", config.seed, rng))
    return products[: config.num_products]


def _group(group_id: str, seed: int, rng: Rng) -> list[Product]:
    """One to three products that differ in colour or in size only."""
    kind, pattern, brand = _pick(rng, tuple(KINDS)), _pick(rng, PATTERNS), _pick(rng, BRANDS)
    material = _pick(rng, KINDS[kind].materials)
    price = round(KINDS[kind].price * float(rng.lognormal(0.0, 0.35))) + 0.95
    num_variants, is_sized = _pick(rng, GROUP_SIZES), rng.random() < 0.4
    colours, sizes = rng.permutation(list(PALETTE)), rng.permutation(KINDS[kind].sizes)
    accents = [_pick(rng, contrasting(colour)) for colour in colours]
    is_sparse = _share(seed, f"sparse/{group_id}") < 0.5
    return [
        Product(
            product_id=f"{group_id}{'abc'[number]}",
            group_id=group_id,
            kind=kind,
            brand=brand,
            material=material,
            price=price,
            colour=str(colours[0 if is_sized else number]),
            pattern=pattern,
            accent=None if pattern == "plain" else accents[0 if is_sized else number],
            size=str(sizes[number]) if is_sized and num_variants > 1 else None,
            is_sparse=is_sparse,
            is_cold=_share(seed, f"cold/{group_id}") < 0.5,
            has_image=is_sparse or rng.random() >= NO_IMAGE_SHARE,
        )
        for number in range(num_variants)
    ]


def _product_rows(products: Sequence[Product], seed: int) -> list[dict[str, object]]:
    """What the shop shows of its products: the rows of products.parquet."""
    rng = np.random.default_rng([seed, 3])
    return [
        {
            "product_id": product.product_id,
            "group_id": product.group_id,
            "title": _title(product, rng),
            "description": None if product.is_sparse else _description(product, rng),
            "brand": product.brand,
            "category": KINDS[product.kind].category,
            "price": product.price,
            "attributes": None if product.is_sparse else json.dumps(_facts(product, ATTRIBUTES)),
            "image": f"images/{product.product_id}.jpg" if product.has_image else None,
            "text_quality": "sparse" if product.is_sparse else "full",
            "cold": product.is_cold,
        }
        for product in products
    ]


def _title(product: Product, rng: Rng) -> str:
    template = _pick(rng, SPARSE_TITLES if product.is_sparse else FULL_TITLES)
    words = {axis: word.title() for axis, word in _facts(product).items()}
    return template.format(**words) + (f", {product.size}" if product.size else "")


def _description(product: Product, rng: Rng) -> str:
    """One to three sentences."""
    look = f"plain {product.colour}"
    if product.accent:
        look = f"{product.colour} {WORDINGS[product.pattern][-1]}".format(product.accent + " ")
    further = rng.permutation(FURTHER_SENTENCES)[: rng.integers(3)]
    words = _facts(product) | {"look": look, "purpose": KINDS[product.kind].purpose}
    sentences = [text.format(**words) for text in (_pick(rng, FIRST_SENTENCES), *further)]
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)


def _facts(product: Product, axes: Sequence[str] = AXES) -> dict[str, str]:
    """The product's facts by axis, without those it lacks: a plain product has no accent."""
    return {axis: value for axis in axes if (value := getattr(product, axis)) is not None}


def _queries(products: Sequence[Product], seed: int) -> list[Query]:
    """Queries with a product that has all the facts; the split hangs on the facts asked for."""
    rng = np.random.default_rng([seed, 4])
    queries: dict[str, Query] = {}
    for kind, axes, most in QUERY_PLAN:
        last = len(queries) + most
        is_warm = _combinations(products, ("kind", *axes.split("+")))
        for number in rng.permutation(len(is_warm)):
            combination = list(is_warm)[number]
            facts, split = dict(combination), _split(seed, combination)
            query, is_judged = _wording(facts, rng), split != "train" or is_warm[combination]
            if is_judged and query not in queries and len(queries) < last:
                name = f"q{len(queries):04d}"
                queries[query] = Query(name, query, split, kind, axes, facts)
    return list(queries.values())


def _combinations(products: Sequence[Product], axes: Sequence[str]) -> dict[Combination, bool]:
    """The facts on `axes` that occur together -> whether in a product that is not cold."""
    is_warm: dict[Combination, bool] = {}
    for product in products:
        facts = tuple(_facts(product, axes).items())
        if len(facts) == len(axes):
            is_warm[facts] = is_warm.get(facts, False) or not product.is_cold
    return is_warm


def _split(seed: int, combination: Combination) -> str:
    """About 60:15:25 after the train queries that only cold products answer have dropped out."""
    drawn = _share(seed, f"split/{combination}")
    return "train" if drawn < 0.69 else "dev" if drawn < 0.81 else "test"


def _wording(facts: dict[str, str], rng: Rng) -> str:
    """The facts as a shopper may type them, as in "norvik tee in blue with white stripes"."""
    words, accent = [], facts.get("accent")
    for axis in (axis for axis in ("brand", "colour", "pattern", "material") if axis in facts):
        word = facts[axis].lower()
        if axis == "pattern":
            word = WORDINGS[word][-1] if accent else _pick(rng, (word, *WORDINGS[word]))
            word = word.format(f"{accent} " if accent else "")
        elif rng.random() < 0.3:
            word = ENDINGS[axis].format(word)
        words.append(word)
    endings = [word for word in words if word.startswith(("by ", "in ", "made of ", "with "))]
    kind = _pick(rng, (facts["kind"], facts["kind"], *WORDINGS.get(facts["kind"], ())))
    return " ".join([*(word for word in words if word not in endings), kind, *endings])


def _grades(queries: Sequence[Query], products: Sequence[Product]) -> Counts:
    """The rule that README tells; a cold product has no grade in a train query; (Q, N)."""
    held_QN = _held(queries, products, AXES)
    missing_QN = np.array([[len(query.facts)] for query in queries]) - held_QN
    is_kind_QN = _held(queries, products, ("kind",)) == 1
    grades_QN = np.where(missing_QN == 0, 3, np.where((missing_QN == 1) & is_kind_QN, 1, 0))
    is_train_Q1 = np.array([[query.split == "train"] for query in queries])
    return np.where(is_train_Q1 & np.array([product.is_cold for product in products]), 0, grades_QN)


def _held(queries: Sequence[Query], products: Sequence[Product], axes: Sequence[str]) -> Counts:
    """How many of the facts that a query asks for, on the given axes, a product has; (Q, N)."""
    columns = {axis: np.array([str(getattr(p, axis)) for p in products]) for axis in axes}
    held_QN = np.zeros((len(queries), len(products)), dtype=np.int64)
    for row_N, query in zip(held_QN, queries, strict=True):
        for axis in columns.keys() & query.facts.keys():
            row_N += columns[axis] == query.facts[axis]
    return held_QN


def _clicks(
    queries: Sequence[Query], products: Sequence[Product], grades_QN: Counts, seed: int
) -> pl.DataFrame:
    """A click log in which position, grade and what the photo alone shows decide."""
    rng = np.random.default_rng([seed, 5])
    train = [number for number, query in enumerate(queries) if query.split == "train"]
    warm_W = np.array([n for n, product in enumerate(products) if not product.is_cold])
    query_S1 = rng.choice(train, len(products))[:, None]
    rank_SW = 2 * grades_QN[query_S1, warm_W] + rng.gumbel(size=(len(products), len(warm_W)))
    product_SK = warm_W[np.argsort(-rank_SW, axis=1)[:, :RESULTS_SHOWN]]
    seen_QN = _held(queries, products, VISIBLE_AXES) * [product.has_image for product in products]
    asked_Q = np.array([len(query.facts.keys() & set(VISIBLE_AXES)) for query in queries])
    chance_SK = np.take(CLICK_CHANCE, grades_QN[query_S1, product_SK])
    chance_SK *= 0.3 + 0.7 * seen_QN[query_S1, product_SK] / asked_Q[query_S1]
    chance_SK *= np.arange(1, RESULTS_SHOWN + 1) ** -0.7
    luck_SK = rng.random(product_SK.shape) / chance_SK
    start_S = np.sort(rng.integers(LOG_DAYS * 86_400, size=len(products)))
    tables = []
    for event, share, delay_s in EVENTS:
        session, place = np.nonzero(luck_SK < share)
        seconds = start_S[session] + 2 * place + delay_s
        columns = {
            "session_id": [f"s{number:05d}" for number in session],
            "query_id": [queries[number].query_id for number in query_S1[session, 0]],
            "product_id": [products[number].product_id for number in product_SK[session, place]],
            "position": place + 1,
            "event": event,
            "timestamp": [LOG_START + timedelta(seconds=int(passed)) for passed in seconds],
            "simulated": True,
        }
        tables.append(pl.DataFrame(columns))
    return pl.concat(tables).sort("timestamp", "session_id", "position", maintain_order=True)


def _share(seed: int, key: str) -> float:
    """A number in [0, 1) that hangs on the seed and the key alone."""
    return float(xxhash.xxh64_intdigest(f"{seed}/{key}".encode()) / 2**64)


def _pick(rng: Rng, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]
