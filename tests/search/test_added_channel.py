"""A search channel is added by one file and one line."""

from contextlib import closing

import pytest
from search.test_searcher import HandMade, ask, ids
from support.registering import registered_file

from windowshop.errors import ConfigError
from windowshop.registry import CHANNELS
from windowshop.search.retrieval.config import ChannelConfig, MergeConfig
from windowshop.search.searcher import Searcher
from windowshop.search.settings import (
    SearchSettings,
    load_search_settings,
    save_search_settings,
)
from windowshop.search.tuning.choose import channels_of

FILE = """
import numpy as np

from windowshop.search.retrieval.channel import TextChannel


def search(state, text, depth, allowed):
    names = [name for name in text.split() if name in state.view.columns]
    keys = state.view.columns.keys(names)
    keys = keys[allowed.mask_N[keys]][:depth]
    return keys, np.ones(len(keys))


CHANNEL = TextChannel(search=search)
"""


def test_a_channel_is_one_file_and_one_line(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="channel='number' is unknown. Use one of: vectors"):
        ChannelConfig(name="number")
    place = "product_number:CHANNEL"
    line = registered_file(tmp_path, monkeypatch, CHANNELS, "number", place, FILE)
    with closing(HandMade(tmp_path / "c")) as index, line:
        channels = (ChannelConfig(name="words"), ChannelConfig(name="number"))
        settings = SearchSettings(text=MergeConfig(channels=channels))
        save_search_settings(settings, tmp_path)
        assert load_search_settings(tmp_path) == settings
        searcher = Searcher(index, settings)
        answer = ask(searcher, text="e d", explain=True)
        assert ids(answer) == ["e", "d"]
        assert answer.retrieved.channels == {"words": 0, "number": 2}
        assert answer.results[0].explanation.channels[1].rank == 1
        assert ids(ask(searcher, text="e d", where="price < 22")) == ["d"]
        assert channels_of("text", ["fused"]) == ("vectors", "words", "number")
