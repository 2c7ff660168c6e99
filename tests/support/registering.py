"""Names that a registry knows during one test."""

from contextlib import contextmanager


@contextmanager
def registered(registry, name, place):
    registry.add(name, place)
    try:
        yield
    finally:
        registry.remove(name)
