"""Generations: switching and going back."""

import pytest
from index.test_collection import opened, spec_of

from windowshop.errors import EngineError
from windowshop.index.generations import Generations

__all__ = ["opened"]  # the fixture


def test_generations_switch_and_go_back(tmp_path, opened):
    generations = Generations(tmp_path)
    assert (generations.current, generations.previous, generations.names()) == (None, None, [])
    with pytest.raises(EngineError, match="no complete collection"):
        generations.switch("first")
    with pytest.raises(EngineError, match="no generation to go back to"):
        generations.rollback()
    first = opened(generations.path("first"), spec_of("exact"))
    generations.switch("first")
    second = opened(generations.path("second"), spec_of("exact"))
    generations.switch("second")
    generations.switch("second")
    assert (Generations(tmp_path).current, generations.previous) == ("second", "first")
    assert generations.rollback() == "first"
    assert (generations.current, generations.previous) == ("first", "second")
    with pytest.raises(EngineError, match="is the current"):
        generations.drop("first")
    second.close()
    generations.drop("second")
    assert (generations.names(), generations.previous) == (["first"], None)
    assert first.count() == 0
    with pytest.raises(EngineError, match="is no name"):
        generations.path("../x")
