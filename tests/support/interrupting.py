"""Work that stops in the middle: an exception at a chosen call, for tests of what comes after."""

from contextlib import contextmanager

from windowshop.progress import SilentReporter


class Interrupted(Exception):
    pass


class Countdown:
    """Raises at its n-th call, once."""

    def __init__(self, calls):
        self.left = calls

    def __call__(self):
        self.left -= 1
        if self.left == 0:
            raise Interrupted


class TrippedReporter(SilentReporter):
    """Interrupts the n-th time that a bar opens, advances or closes."""

    def __init__(self, calls):
        self.count = Countdown(calls)

    @contextmanager
    def bar(self, name, total):
        self.count()
        yield lambda count, text: self.count()
        self.count()
