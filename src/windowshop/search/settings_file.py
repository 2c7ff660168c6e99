"""A YAML file of a shop's search rules -> a settings dataclass."""

from pathlib import Path
from typing import TypeVar

import yaml

from windowshop.errors import ConfigError
from windowshop.settings import from_dict

Settings = TypeVar("Settings")


def load_settings(path: Path, cls: type[Settings]) -> Settings:
    """Read a file; unknown keys and wrong types raise ConfigError. An empty one is all defaults."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {error}") from None
    settings: Settings = from_dict(cls, {} if content is None else content, str(path))
    return settings
