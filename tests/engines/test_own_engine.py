"""A further engine takes one file (`support/small_engine.py`) and one line."""

from contextlib import closing

import numpy as np
import polars as pl
import pytest
from support.registering import registered

from windowshop.errors import ConfigError
from windowshop.index import Collection, IndexConfig
from windowshop.registry import ENGINES


def test_an_engine_is_added_by_one_line(tmp_path):
    with pytest.raises(ConfigError, match="engine='small' is unknown. Use one of: exact, flat"):
        IndexConfig(engine="small")
    with registered(ENGINES, "small", "support.small_engine:SmallEngine"):
        spec = IndexConfig(engine="small").spec(3, {"fused": 4})
        assert (spec.kind, spec.vectors["fused"].storage) == ("small", "float32")
        with pytest.raises(ConfigError, match="cannot be stored as int8. Choose one of: float32"):
            IndexConfig(engine="small", storage="int8").spec(3, {"fused": 4})
        with closing(Collection(tmp_path, spec)) as collection:
            collection.upsert(
                pl.DataFrame({"product_id": ["a", "b", "c"]}), {"fused": np.eye(3, 4)}
            )
        with closing(Collection(tmp_path)) as collection:
            assert collection.spec == spec
            (hits,) = collection.search(np.eye(3, 4)[1:2], 1)
        assert [(hit.product_id, hit.score) for hit in hits] == [("b", 1.0)]
