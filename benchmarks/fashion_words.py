"""Facts and words of the fashion catalogue: from attributes to facts, queries and sparse titles."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Wish = tuple[str, str, tuple[str, ...], tuple[str, ...]]
"""Type of product, wearer, axes that are asked about, and the value of each."""
VISUAL = frozenset({"colour", "pattern", "sleeve", "neck"})
"""Axes that an image shows."""
COMBINATIONS: tuple[tuple[str, ...], ...] = tuple(
    tuple(names.split())
    for names in (
        *("colour", "pattern", "brand", "fabric", "usage", "sleeve", "neck"),
        *("colour pattern", "colour sleeve", "colour neck", "pattern sleeve", "brand colour"),
        *("colour fabric", "brand pattern", "colour usage"),
        *("colour pattern sleeve", "brand colour pattern", "colour neck pattern"),
    )
)
"""Axes that one query asks about together."""
BEFORE = ("brand", "usage", "colour", "pattern", "fabric")
"""Axes whose words stand before the type, in this order."""
CUT = ("sleeve", "neck")
"""Axes whose words stand before the type or after it."""

SPELLED: dict[str, Mapping[str, Mapping[str, str]]] = {
    "pattern": {
        "Pattern": {name.title(): name for name in ("solid", "printed", "checked", "striped")},
        "Print or Pattern Type": {
            **{"Solid": "solid", "Checked": "checked", "Tartan Checks": "checked"},
            **dict.fromkeys(("Graphic", "Floral", "Typography"), "printed"),
            **dict.fromkeys(("Striped", "Horizontal Stripes", "Vertical Stripes"), "striped"),
        },
    },
    "sleeve": {
        "Sleeve Length": {
            **{"Short Sleeves": "short sleeve", "Long Sleeves": "long sleeve"},
            **dict.fromkeys(("Sleeveless", "No Sleeves"), "sleeveless"),
        }
    },
    "neck": {
        "Neck": {name.title(): name for name in ("round neck", "polo collar", "v-neck")}
        | {"Scoop Neck": "scoop neck"}
    },
}
FABRICS = {name.title(): name for name in ("cotton", "polyester", "leather", "canvas")}
FABRICS |= {"Pure Cotton": "cotton", "Synthetic Leather": "synthetic leather"}
SPELLED["fabric"] = {"Fabric": FABRICS, "Material": FABRICS}
"""Axis -> attributes of the article, the first that says it counts -> value -> word."""
USAGES = {name.title(): name for name in ("formal", "sports", "ethnic")}

LOOKS = frozenset(
    (
        *("solid", "printed", "print", "prints", "checked", "check", "checks", "checkered"),
        *("striped", "stripe", "stripes", "plaid", "graphic", "floral", "typography", "design"),
        *("sleeve", "sleeves", "sleeveless", "short-sleeve", "neck", "v-neck", "collar", "polo"),
        *("hooded", "self", "navy", "multicoloured", "multicolor", "multi", "coloured"),
        *("grey", "gray"),
    )
)
"""Words beside the colours that sparse titles lack."""
CUT_PHRASE = re.compile(
    r"\b(?:long|short|full|half|three-quarter|round|crew|scoop|boat|v|high|polo)[ -]"
    r"(?:sleeves?|neck|collar)\b",
    re.IGNORECASE,
)
WORN = {
    "men": ("mens", "for men", "men"),
    "women": ("womens", "for women", "women"),
    "boys": ("boys", "for boys", "kids"),
    "girls": ("girls", "for girls", "kids"),
}
NOUNS = {"tshirts": "t-shirt", "innerwear vests": "vest"}
ALWAYS_PLURAL = (
    *("shoes", "heels", "flats", "sandals", "flops", "socks", "sunglasses"),
    *("jeans", "shorts", "trousers", "pants", "briefs", "tights"),
)


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts that the catalogue states of a product."""

    kind: str
    wearers: frozenset[str]
    axes: Mapping[str, str | None]
    """Axis -> value; None where the catalogue does not say it."""


def facts_of(attributes: Mapping[str, Any], brand: str | None) -> Facts:
    """Return the facts of a product; `brand` is None where it is not asked for."""
    article = attributes.get("article_attributes") or {}
    axes: dict[str, str | None] = {axis: _spelled(article, axis) for axis in SPELLED}
    axes["brand"] = brand or None
    axes["colour"] = (attributes.get("base_colour") or "").lower() or None
    axes["usage"] = USAGES.get(attributes.get("usage") or "")
    ages, gender = attributes.get("age_group") or "", attributes.get("gender") or ""
    return Facts(attributes["article_type"].lower(), _wearers(ages, gender), axes)


def _spelled(article: Mapping[str, Any], axis: str) -> str | None:
    found = (words.get(article.get(name) or "") for name, words in SPELLED[axis].items())
    return next((word for word in found if word), None)


def _wearers(ages: str, gender: str) -> frozenset[str]:
    if ages.startswith("Kids"):
        named = [name for name in ("boys", "girls") if name.title() in ages]
        return frozenset(named[:1] or ("boys", "girls"))
    return frozenset({"Men": ("men",), "Women": ("women",)}.get(gender, ("men", "women")))


def without_looks(title: str, colours: set[str]) -> str:
    """Return a title without the words that an image shows; its first word where none is left."""
    left = [
        word
        for word in CUT_PHRASE.sub(" ", title).split()
        if re.sub(r"[^a-z-]", "", word.lower()) not in LOOKS | colours
    ]
    return " ".join(left).strip(" -,&") or title.split()[0]


def query_text(wish: Wish, form: float) -> str:
    """Return the words of a wish; `form` in [0, 1) picks one of the ways to say it."""
    kind, wearer, axes, values = wish
    said = dict(zip(axes, values, strict=True))
    cut = [said[axis] for axis in CUT if axis in said]
    words = [said[axis] for axis in BEFORE if axis in said]
    words += [*cut, noun(kind)] if form < 0.5 else [noun(kind), *cut]
    worn = WORN[wearer][int(form * 3)]
    words = [*words, worn] if worn.startswith("for") or form > 0.8 else [worn, *words]
    return " ".join(words).lower()


def noun(kind: str) -> str:
    """Return one product of a type: shirts -> shirt, watches -> watch; shoes stay."""
    if kind in NOUNS or kind.endswith(ALWAYS_PLURAL):
        return NOUNS.get(kind, kind)
    for ending, singular in (("ies", "y"), ("ches", "ch"), ("sses", "ss"), ("s", "")):
        if kind.endswith(ending):
            return kind.removesuffix(ending) + singular
    return kind
