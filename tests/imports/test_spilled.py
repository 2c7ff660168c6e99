"""Values of which most are on disk behave as a dictionary of them does."""

import random
from dataclasses import asdict, dataclass, field

import pytest

from windowshop.imports.spilled import Spilled


@dataclass
class Item:
    number: int
    names: list[str] = field(default_factory=list)


def item(plain):
    return Item(**plain)


@pytest.mark.parametrize("max_kept", [1, 2, 7, 1000])
def test_any_number_in_memory_gives_the_same_mapping(max_kept):
    draw = random.Random(0)
    spilled, plain = Spilled(asdict, item, max_kept=max_kept), {}
    for step in range(600):
        key = f"k{draw.randrange(60)}"
        action = draw.randrange(4)
        if action == 0:
            spilled[key], plain[key] = Item(step), Item(step)
        elif action == 1 and key in plain:
            assert spilled.pop(key) == plain.pop(key)
        elif action == 2:
            for found in (spilled, plain):
                found.setdefault(key, Item(step)).names.append(str(step))
        else:
            assert spilled.get(key) == plain.get(key)
        assert (key in spilled, len(spilled)) == (key in plain, len(plain))
    assert [*spilled.items()] == [*plain.items()]
    assert [*spilled] == [*plain]


def test_a_key_that_is_not_there_is_named():
    spilled = Spilled(max_kept=1)
    spilled["a"], spilled["b"] = [1], [2]
    with pytest.raises(KeyError, match="'c'"):
        spilled["c"]
    with pytest.raises(KeyError, match="'c'"):
        del spilled["c"]
    assert dict(spilled) == {"a": [1], "b": [2]}
