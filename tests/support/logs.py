"""Logs of an index, opened as a service does."""

from contextlib import contextmanager

from windowshop.service.logs.feedback import FeedbackLog
from windowshop.service.logs.judgements import Judgements
from windowshop.service.logs.tables import LogDatabase


@contextmanager
def logging_to(index, dropped=lambda count: None):
    """The feedback log of an index."""
    database = LogDatabase(index)
    log = FeedbackLog(database, dropped)
    try:
        yield log
    finally:
        log.close()
        database.close()


@contextmanager
def judging_in(index):
    """The judgements of an index."""
    database = LogDatabase(index)
    try:
        yield Judgements(database)
    finally:
        database.close()
