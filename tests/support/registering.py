"""Names that registries know during one test."""

from contextlib import contextmanager


@contextmanager
def registered(registry, name, place):
    with restored(registry):
        registry.add(name, place)
        yield


@contextmanager
def registered_file(folder, monkeypatch, registry, name, place, code):
    """As `registered`, with the module of `place` written into `folder`."""
    (folder / f"{place.partition(':')[0]}.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    with registered(registry, name, place):
        yield


@contextmanager
def restored(*registries):
    """Forget the names that are added meanwhile."""
    known = [set(registry) for registry in registries]
    try:
        yield
    finally:
        for registry, names in zip(registries, known, strict=True):
            for name in set(registry) - names:
                registry.remove(name)
