"""Text -> the words that a search by words compares; the same for every engine."""

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Lower-case words without accents and English plurals ("Sarees" -> "saree"), in order.

    Numbers stay, one-letter words too: sizes and model names are made of them.
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(char for char in plain if not unicodedata.combining(char))
    return [_singular(word) for word in _WORD.findall(kept)]


def _singular(word: str) -> str:
    """Harman's s-stemmer (JASIS 42, 1991), for words of four letters and more."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("us", "ss")):
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    return word[:-1]
