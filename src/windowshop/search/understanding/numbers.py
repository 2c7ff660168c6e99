"""Numbers as shops and shoppers write them: 1,499.00, 1.499,00, 1 499,00, 1'499.00, 1,49,900.

Each notation is read by a locale that has it (babel), so none is told beforehand.
"""

from babel.numbers import NumberFormatError, parse_decimal

LOCALES = ("en", "de", "fr", "de_CH", "en_IN")
"""One locale for each notation; the first that reads a number decides."""
_BLANKS = " \u00a0\u202f"
NUMBER = rf"(?>\d{{1,3}}(?:[{_BLANKS}]\d{{3}})+(?:[.,]\d{{1,2}})?(?!\d)|\d(?:[\d.,'’]*\d)?)"
"""Pattern of a number."""
MONEY_DECIMALS = 2
"""Most digits behind the decimal sign of a price: "1.499" is 1499."""


def number(text: str, max_decimals: int | None = None) -> float | None:
    """Return the number; None where no notation fits with at most so many decimals."""
    plain = text.translate({ord(blank): "\u202f" for blank in _BLANKS} | {ord("’"): "'"})
    for locale in LOCALES:
        try:
            value = parse_decimal(plain, locale=locale, strict=True)
        except NumberFormatError:
            continue
        exponent = value.as_tuple().exponent
        if max_decimals is None or not isinstance(exponent, int) or -exponent <= max_decimals:
            return float(value)
    return None
