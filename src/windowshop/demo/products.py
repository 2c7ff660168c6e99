"""Products of a generated shop: their facts first, then texts that show some of the facts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xxhash

from windowshop.demo.drawing import PALETTE, PATTERNS, contrasting

Rng = np.random.Generator
GROUP_SIZES = (1, 1, 1, 1, 1, 1, 1, 2, 2, 3)
CURRENCY = "EUR"
REDUCED_SHARE, REDUCTION = 0.2, 0.8
"""Share of the groups that cost less than before, and what part of the price is left."""
NO_IMAGE_SHARE = 0.06
"""Share of the products with full text that lack an image; the others show what texts omit."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Facts that all products of one kind share; `price` is the median."""

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
)
WORDINGS = {
    "t-shirt": ("tee",),
    "tote bag": ("tote", "shopper"),
    "striped": ("stripy", "with {}stripes"),
    "checked": ("checkered", "with {}checks"),
    "dotted": ("polka dot", "with {}dots"),
    "zigzag": ("chevron", "with {}zigzags"),
    "floral": ("flowery", "with {}flowers"),
    "plain": ("solid", "single-colour"),
}
"""Synonyms of kinds and patterns; a pattern's last one can name its colour."""
VISIBLE_AXES = ("kind", "colour", "pattern", "accent")
AXES = (*VISIBLE_AXES, "brand", "material")
ATTRIBUTES = ("colour", "accent", "pattern", "material", "size")


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """True facts of one product, whether its text mentions them or not."""

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
    """None unless the variants of a group differ in size."""
    is_sparse: bool
    is_cold: bool
    has_image: bool


def make_products(num_products: int, seed: int) -> list[Product]:
    """Draw products, group after group."""
    rng = np.random.default_rng([seed, 2])
    products: list[Product] = []
    while len(products) < num_products:
        products.extend(_group(f"p{len(products):05d}", seed, rng))
    return products[:num_products]


def _group(group_id: str, seed: int, rng: Rng) -> list[Product]:
    """Return one to three products that differ in colour or in size only."""
    kind, pattern, brand = (
        draw_one(rng, tuple(KINDS)),
        draw_one(rng, PATTERNS),
        draw_one(rng, BRANDS),
    )
    material = draw_one(rng, KINDS[kind].materials)
    price = round(KINDS[kind].price * float(rng.lognormal(0.0, 0.35))) + 0.95
    num_variants, is_sized = int(rng.choice(GROUP_SIZES)), rng.random() < 0.4
    colours, sizes = rng.permutation(list(PALETTE)), rng.permutation(KINDS[kind].sizes)
    accents = [draw_one(rng, contrasting(colour)) for colour in colours]
    is_sparse = share(seed, f"sparse/{group_id}") < 0.5
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
            is_cold=share(seed, f"cold/{group_id}") < 0.5,
            has_image=is_sparse or rng.random() >= NO_IMAGE_SHARE,
        )
        for number in range(num_variants)
    ]


def product_rows(products: Sequence[Product], seed: int) -> list[dict[str, object]]:
    """Return the rows of products.parquet, which show part of the facts."""
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
            "currency": CURRENCY,
            "list_price": _list_price(product, seed),
            "attributes": None if product.is_sparse else json.dumps(facts_of(product, ATTRIBUTES)),
            "image": f"images/{product.product_id}.jpg" if product.has_image else None,
            "text_quality": "sparse" if product.is_sparse else "full",
            "cold": product.is_cold,
        }
        for product in products
    ]


def _list_price(product: Product, seed: int) -> float | None:
    """Return the price before, of the groups that were reduced."""
    is_reduced = share(seed, f"reduced/{product.group_id}") < REDUCED_SHARE
    return round(product.price / REDUCTION) + 0.95 if is_reduced else None


def _title(product: Product, rng: Rng) -> str:
    template = draw_one(rng, SPARSE_TITLES if product.is_sparse else FULL_TITLES)
    words = {axis: word.title() for axis, word in facts_of(product).items()}
    return template.format(**words) + (f", {product.size}" if product.size else "")


def _description(product: Product, rng: Rng) -> str:
    """Return one to three sentences."""
    look = f"plain {product.colour}"
    if product.accent:
        look = f"{product.colour} {WORDINGS[product.pattern][-1]}".format(product.accent + " ")
    further = rng.permutation(FURTHER_SENTENCES)[: rng.integers(3)]
    words = facts_of(product) | {"look": look, "purpose": KINDS[product.kind].purpose}
    sentences = [text.format(**words) for text in (draw_one(rng, FIRST_SENTENCES), *further)]
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)


def facts_of(product: Product, axes: Sequence[str] = AXES) -> dict[str, str]:
    """Return the product's facts by axis, without those it lacks: plain products have no accent."""
    return {axis: value for axis in axes if (value := getattr(product, axis)) is not None}


def share(seed: int, key: str) -> float:
    """Return a number in [0, 1) that depends on the seed and the key alone."""
    return float(xxhash.xxh64_intdigest(f"{seed}/{key}".encode()) / 2**64)


def draw_one(rng: Rng, options: Sequence[str]) -> str:
    """Return one of the options at random."""
    return options[int(rng.integers(len(options)))]
