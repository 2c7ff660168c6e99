"""Client of a running service: its calls as functions, its errors as exceptions."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
