"""The HTTP service, of the extra `serve`."""

from windowshop.service.app import create_app
from windowshop.service.config import ServiceConfig
from windowshop.service.shop import Shop

__all__ = ["ServiceConfig", "Shop", "create_app"]
