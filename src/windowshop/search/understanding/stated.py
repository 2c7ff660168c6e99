"""Numbers of a query -> prices, and the years, ages, measures and sizes that products state.

What is a year or an age in one catalogue is a price in another, so they are told apart together.
"""

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from windowshop.data import Token
from windowshop.search.understanding.ages import Ages
from windowshop.search.understanding.dimensions import Dimensions
from windowshop.search.understanding.named_numbers import NamedNumbers
from windowshop.search.understanding.number_words import NumberWords
from windowshop.search.understanding.phrases import Meaning
from windowshop.search.understanding.prices import PricePhrase
from windowshop.search.understanding.quantities import Quantities
from windowshop.search.understanding.query_words import Found, Place, by_words, overlaps
from windowshop.search.understanding.ranges import value_ranges
from windowshop.search.understanding.size_pairs import SizePairs
from windowshop.search.understanding.years import Years


class StatedNumbers:
    """Prices, years, ages, measures and sizes that a catalogue states."""

    def __init__(
        self,
        products: pl.DataFrame,
        numbers: NumberWords,
        phrases: Mapping[str, Sequence[Meaning]],
        has_word: Callable[[str], bool],
        prices: tuple[float, float] | None,
    ) -> None:
        """Read the columns of products.

        `phrases` has other values, `has_word` says of a normalised word whether products have it,
        and `prices` are the lowest and the highest, None where nothing has one.
        """
        self._numbers, self._phrases, self._has_word = numbers, phrases, has_word
        self._prices = prices
        self._weighs_in_pounds = any(map(has_word, ("pound", "lb")))
        self._ages = Ages(products)
        self._years = Years(products)
        self._quantities = Quantities(products, self._ages, numbers)
        self._named_numbers = NamedNumbers(products)
        self._size_pairs = SizePairs(products, phrases)
        self._dimensions = Dimensions(products)

    def apart(
        self, query: str, identified: Sequence[Place]
    ) -> tuple[list[PricePhrase], list[Found]]:
        """Return the prices of a query, and its years and ages that might be read as prices.

        `identified` are the places of identifiers, which are none of these.
        """
        prices = self._numbers.prices(
            query,
            self._prices,
            weighs_in_pounds=self._weighs_in_pounds,
            with_ages=bool(self._ages),
        )
        priced = [(p.start, p.end) for p in prices]
        in_money = [(p.start, p.end) for p in prices if p.has_money]
        years = [
            (start, end, meanings)
            for start, end, meanings in self._years.find(query)
            if not overlaps((start, end), [*in_money, *identified])
            and not (meanings[0].is_loose and overlaps((start, end), priced))
        ]
        taken = [*identified, *((start, end) for start, end, _ in years)]
        prices = [p for p in prices if not overlaps((p.start, p.end), taken)]
        prices, ages = self._ages.apart(query, prices)
        return prices, [*years, *((one.start, one.end, found) for one, found in ages)]

    def find(
        self, query: str, typed: Sequence[Token], others: Sequence[Found]
    ) -> tuple[dict[Place, list[Meaning]], dict[Place, list[Meaning]]]:
        """Return what parts of a query mean by their words, one value or others; and each of some.

        `others` were found before, and come first.
        """
        pairs, each = self._size_pairs.find(query)
        listed = value_ranges(query, typed, self._phrases)
        in_lists = [(typed[first].start, typed[last - 1].end) for first, last in listed]
        named = self._named_numbers.find(query)
        stated = [*others, *(one for one in named if not overlaps(one[:2], in_lists))]
        stated += [*self._dimensions.find(query), *self._ages.named(query)]
        stated += self._quantities.find(query, self._has_word)
        measures = by_words(typed, [*stated, *pairs])
        ranges = by_words(typed, each) | listed
        ranges = {place: found for place, found in ranges.items() if not overlaps(place, measures)}
        return measures, ranges
