"""A real UBI log, where it is there (../shared/data/exports/ubi)."""

import pytest
from support.exports import REAL

from windowshop.data.clicks.judgements import JudgementConfig, judge
from windowshop.data.clicks.sources import read_events
from windowshop.data.clicks.visits import join_events

LOG = REAL / "ubi" / "ubi_queries_events.ndjson"
pytestmark = pytest.mark.skipif(not LOG.exists(), reason=f"{LOG} is not here")


def test_every_event_is_read_and_joined():
    log = read_events(LOG)
    actions = dict(log.events["action"].value_counts().iter_rows())
    # 473 queries, and 506 + 86 + 62 events that are searches; 287 clicks, 61 global and 11 of items
    assert (actions["search"], actions["click"]) == (1_127, 359)
    assert (actions["impression"], actions["cart"], actions["purchase"]) == (1_999, 234, 6)
    visits = join_events(log.events)
    assert visits.bases["esci_ubi_sample"] == 0
    assert visits.counts["searches"] == 284  # queries by id; 473 lines repeat some
    judged = judge(visits, JudgementConfig())
    assert len(judged.queries) == 60
    assert set(judged.qrels["kind"]) == {"desirability"}
