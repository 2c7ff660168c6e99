"""Numbers as shops and shoppers write them: 1,499.00, 1.499,00, 1 499,00, 1'499.00, 1,49,900.

Each notation is read by a locale that has it (babel), so none is told beforehand.
"""

import unicodedata

from babel.numbers import NumberFormatError, parse_decimal

LOCALES = ("en", "de", "fr", "de_CH", "en_IN")
"""One locale for each notation; the first that reads a number decides."""
_BLANKS = " \u00a0\u202f"
GLUED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Letters of Thai, Japanese, Chinese and Korean, which are written against numbers."""
STARTS = rf"(?<![^\W{GLUED}])"
"""Pattern of the place of a number or sign that no letter of another script precedes."""
ENDS = rf"(?![^\W{GLUED}])"
"""Pattern of a place that no letter of another script follows."""
NUMBER = rf"(?>\d{{1,3}}(?:[{_BLANKS}]\d{{3}})+(?:[.,]\d{{1,2}})?(?!\d)|\d(?:[\d.,'’]*\d)?)"
"""Pattern of a number."""
MONEY_DECIMALS = 2
"""Most digits behind the decimal sign of a price: "1.499" is 1499."""


def number(text: str, max_decimals: int | None = None) -> float | None:
    """Return the number; None where no notation fits with at most so many decimals."""
    plain = text if text.isascii() else "".join(map(_in_ascii, text))
    plain = plain.translate({ord(blank): "\u202f" for blank in _BLANKS})
    for locale in LOCALES:
        try:
            value = parse_decimal(plain, locale=locale, strict=True)
        except NumberFormatError:
            continue
        exponent = value.as_tuple().exponent
        if max_decimals is None or not isinstance(exponent, int) or -exponent <= max_decimals:
            return float(value)
    return None


def _in_ascii(char: str) -> str:
    """Return a digit of any script, a wide sign or an apostrophe as ASCII has it."""
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    return {"’": "'", "，": ",", "．": ".", "٫": ".", "٬": ","}.get(char, char)
