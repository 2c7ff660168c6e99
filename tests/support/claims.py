"""Compare what an answer claims with the products themselves, by plain Python."""

import re

from windowshop.data import fold, words_of

JUNK = ("zxqv", "wireless", "3XL", "not", "without", "-", "under", "0815", "ß", "12v", '32"')
NOT = ("not {}", "without {}", "-{}", "{} free", "no {}", "anything but {}", "nicht {}", "sans {}")
PRICES = ("under {}", "between 5 and {}", "{} euro", "up to {} €", "5-{} €", "over {} dollars")


def random_query(rng, values):
    """A query of named values, exclusions, prices, typos and words that mean nothing."""
    parts = []
    for _ in range(rng.randint(1, 4)):
        value = rng.choice(rng.choice(values))
        kind = rng.random()
        if kind < 0.2:
            value = rng.choice(NOT).format(value)
        elif kind < 0.3:
            value = rng.choice(PRICES).format(rng.choice((4, 9, 20, 35, 500)))
        elif kind < 0.4 and len(value) > 3:
            at = rng.randrange(1, len(value) - 1)
            value = value[:at] + rng.choice(("", value[at] * 2, "x")) + value[at + 1 :]
        elif kind < 0.5:
            value = rng.choice(JUNK)
        parts.append(value.lower() if rng.random() < 0.7 else value)
    return " ".join(parts)


def false_claims(answer, rows):
    """Sentences that an answer says about products and that are not so; `rows` is by id."""
    parts = {part.name: part for part in answer.recognised}
    wrong, was_last = [], False
    for result in answer.results:
        row, said = rows[result.product_id], result.explanation
        for name in said.boosted_by:
            if name not in parts or parts[name].action == "off":
                wrong.append(f"{result.product_id}: boosted for {name}, which was not recognised")
            elif not meets(row, parts[name], stated=True):
                wrong.append(f"{result.product_id}: boosted for {name}, which it does not state")
        for name in said.last_by:
            value = name.removeprefix("not ")
            if name not in parts or not (has(row, value) or has(row, value.split(": ")[-1])):
                wrong.append(f"{result.product_id}: last for {name}, which it does not have")
        for part in answer.recognised:
            if part.action == "filter" and not meets(row, part, stated=part.kind != "exclusion"):
                wrong.append(f"{result.product_id}: passes {part.name}, which it does not meet")
        if was_last and not said.last_by:
            wrong.append(f"{result.product_id}: stands behind products that are excluded")
        was_last = bool(said.last_by)
    return wrong


def meets(row, part, *, stated):
    """Whether a product meets what was recognised; `stated`: an empty value does not."""
    if part.kind == "price":
        numbers = [float(n.replace(",", ".")) for n in re.findall(r"\d+(?:[.,]\d+)?", part.text)]
        price = row.get("price")
        is_floor = re.search(r"over|above|from|ab ", part.text)
        low = min(numbers) if len(numbers) > 1 or is_floor else float("-inf")
        high = float("inf") if is_floor and len(numbers) < 2 else max(numbers)
        return price is not None and low <= price <= high
    if part.kind == "exclusion":
        name = part.name.removeprefix("not ")
        column = name.partition(": ")[0]
        return not has(row, name) and (not stated or row.get(column) is not None)
    return has(row, part.name)


def has(row, name):
    """Whether a product states a value ("colour: red", "category: Mugs"), or has words anywhere."""
    column, _, listed = name.partition(": ")
    if not listed:
        text = " ".join(str(value) for value in row.values() if value is not None)
        return set(words_of(name)) <= set(words_of(text))
    values = row.get(column)
    if values is None:
        return False
    own = values if isinstance(values, list) else [values]
    own = [level for value in own for level in str(value).split(" > ")] + [str(v) for v in own]
    wanted = {*map(_compared, [listed, *listed.split(", ")])}
    return not wanted.isdisjoint(map(_compared, own))


def _compared(text):
    return " ".join(words_of(fold(text)))
