"""Fold texts of any script to the form in which they are compared.

Case goes, accents of Latin, Greek and Cyrillic letters, points of Hebrew and Arabic, ligatures,
compatibility forms and foreign digits; hiragana is katakana, traditional Chinese is simplified.
Apostrophes, hyphens and quotes have one form each.
Marks that make another sound stay: vowel signs of Indic scripts and of Thai, and the voicing marks
of Japanese. Every form of a Turkish i is one.
"""

import unicodedata

import polars as pl
import regex

from windowshop.data.han_variants import SIMPLIFIED, TRADITIONAL

INVISIBLE = r"\u00ad\u200c\u200d\u2060\ufeff\ufe00-\ufe0f"
"""Soft hyphen, joiners and variation selectors: part of a word, and no letter."""
_ONE_FORM = {
    "œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i",
    "ς": "σ",
    "и\u0306": "й", "у\u0306": "ў", "і\u0308": "ї",
    "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه",
    "ँ": "ं",
}  # fmt: skip
"""Letters without a decomposition, the Cyrillic letters whose mark stays, and letters of Arabic
script and Devanagari that people type for each other."""
_ONE_FORM |= {"’": "'", "‘": "'", "ʼ": "'", "‐": "-", "–": "-", "−": "-", "”": '"', "“": '"'}
"""Signs that keyboards and word processors put for each other."""
_ONE_FORM |= {chr(sign): chr(sign + 0x60) for sign in range(0x3041, 0x3097)}
_ZEROS = "٠۰०০੦૦୦௦౦೦൦๐໐༠၀០"
_ONE_FORM |= {chr(ord(zero) + i): str(i) for zero in _ZEROS for i in range(10)}
_ONE_FORM |= {
    f"{nasal}\u094d{chr(consonant)}": f"ं{chr(consonant)}"
    for nasal, first in zip("ङञणनम", (0x0915, 0x091A, 0x091F, 0x0924, 0x092A), strict=True)
    for consonant in range(first, first + 4)
}
"""Nasals before consonants of their kind, which Hindi writes with a dot too: "हिन्दी", "हिंदी"."""
_ONE_FORM |= dict(zip(TRADITIONAL, SIMPLIFIED, strict=True))
_TO_SIMPLIFIED = str.maketrans(TRADITIONAL, SIMPLIFIED)
_ACCENT = r"([\p{Latin}\p{Greek}\p{Cyrillic}])\p{M}+"
_POINT = (
    r"[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    rf"\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u0640\u093c{INVISIBLE}]"
)
_ACCENTS, _POINTS = regex.compile(_ACCENT), regex.compile(_POINT)
_TO_ONE_FORM = regex.compile(r"\L<forms>", forms=list(_ONE_FORM))


def fold(text: str) -> str:
    """Return the folded form of a text."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = _TO_ONE_FORM.sub(lambda found: _ONE_FORM[found[0]], plain)
    return unicodedata.normalize("NFC", _POINTS.sub("", _ACCENTS.sub(r"\1", plain)))


def simplified(text: str) -> str:
    """Return a text with simplified Chinese letters for traditional ones, of the same length."""
    return text if text.isascii() else text.translate(_TO_SIMPLIFIED)


def folded(column: pl.Expr) -> pl.Expr:
    """Fold a column of texts as `fold` does each."""
    return column.map_batches(fold_column, return_dtype=pl.String)


def fold_column(column: pl.Series) -> pl.Series:
    """Return a column of texts folded."""
    lower = column.str.to_lowercase()
    foreign = column.str.contains(r"[^\x00-\x7F]").arg_true()
    if foreign.is_empty():
        return lower
    # Lower, upper, lower makes the two spellings of a sharp s equal, as `str.casefold` does.
    cased = lower.gather(foreign).str.to_uppercase().str.to_lowercase()
    plain = cased.str.normalize("NFKD").str.replace_many(_ONE_FORM)
    plain = plain.str.replace_all(_ACCENT, "${1}").str.replace_all(_POINT, "")
    return lower.scatter(foreign, plain.str.normalize("NFC"))
