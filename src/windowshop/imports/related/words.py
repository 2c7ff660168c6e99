"""Names of tables and of their keys: which column names which table."""

import re
from collections.abc import Sequence

from windowshop.imports.values import plain_name

KEY_WORDS = frozenset((
    "id", "ids", "code", "key", "ref", "reference", "fk", "uuid", "guid", "no", "nr", "number",
    "num", "nummer", "sku", "handle", "slug", "pk", "gid",
))  # fmt: skip
"""Words of a column that say that it is a key, and not of what."""
_NO_WORD = frozenset(("export", "dump", "table", "tbl", "data", "csv", "list", "all", "t", "dim"))
_ANY = frozenset(("id", "name", "title", "code", "key", "uuid", "nr", "no"))
"""Names of keys that every table may have."""
PRODUCT = frozenset((
    "product", "item", "articl", "artikel", "produkt", "produit", "prodott", "good", "articul",
    "produt", "tovar", "urun",
))  # fmt: skip
"""Stems of the names of the table of products."""


def stem(word: str) -> str:
    """Return a word without the ending that tells one from several ("categor", "brand")."""
    bare = word.replace("our", "or").rstrip("aeiouyns")
    return bare if len(bare) >= 3 else word.removesuffix("s")


def stems(name: str) -> tuple[str, ...]:
    """Return the stems of the words of a name that are no key word."""
    return tuple(stem(word) for word in plain_name(name).split() if word not in KEY_WORDS)


def table_words(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the stems of the names of tables, without a word that all of them begin with."""
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        words = [w for w in plain_name(name.rpartition(".")[2] or name).split()
                 if w not in _NO_WORD and not w.isdigit()]  # fmt: skip
        found[name] = tuple(map(stem, words)) or (stem(plain_name(name)),)
    firsts = {words[0] for words in found.values()}
    if len(found) > 1 and len(firsts) == 1 and all(len(words) > 1 for words in found.values()):
        return {name: words[1:] for name, words in found.items()}
    return found


def names_key(column: str, words: tuple[str, ...], key: str) -> float:
    """Return how surely a column names the key of a table by its words, from 0 to 1."""
    base, plain, known = stems(column), plain_name(column), plain_name(key)
    if "parent" in plain.split():
        return 0.0
    same = 0.9 if plain == known and plain not in _ANY else 0.0
    if base and base == words:
        return 1.0
    if base and base == words[-len(base) :]:
        return 0.9
    is_within = words in (base[-len(words) :], base[: len(words)])
    return max(same, 0.85 if base and is_within else 0.0)


def has_key_word(column: str) -> bool:
    """Return whether a column says that it is a key (`brand_id`, not `brand`)."""
    return any(word in KEY_WORDS for word in plain_name(column).split())


def is_key_name(column: str, words: tuple[str, ...]) -> bool:
    """Return whether a column is called like the key of its own table (`id`, `product_id`)."""
    base = stems(column)
    return has_key_word(column) and (not base or base == words or base == words[-len(base) :])


def own_name(column: str) -> str:
    """Return what a key is of (`colour_id` is `colour`)."""
    bare = re.sub(r"(?i)(?:[_\s-]?(?:id|ids|code|key|fk|uuid))$|^(?:id|fk)[_\s-]", "", column)
    return bare.strip("_- ") or column
