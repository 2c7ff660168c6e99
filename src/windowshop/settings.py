"""YAML files and plain values to frozen dataclasses and back. Nothing else reads YAML."""

import dataclasses
import os
from contextlib import suppress
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin

import yaml

from windowshop.errors import ConfigError

Settings = TypeVar("Settings")


def load_settings(path: Path, cls: type[Settings]) -> Settings:
    """Read a YAML file as a settings dataclass; an empty file is all defaults.

    Raises ConfigError for unknown keys and wrong types.
    """
    settings: Settings = from_dict(cls, read_yaml(path), str(path))
    return settings


def environment_key(variable: str) -> str | None:
    """Return the secret key in an environment variable, without spaces around it; None for none.

    Raises ConfigError, which does not tell the key, where no HTTP header can hold it.
    """
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"{variable}: has a character that no key has, such as a line's end. Set it to the key "
            "alone."
        )
    return key or None


def parse_settings(text: str, cls: type[Settings], where: str) -> Settings:
    """Read YAML text as `load_settings` reads a file; `where` names it in messages."""
    settings: Settings = from_dict(cls, _parsed(text, where), where)
    return settings


def read_yaml(path: Path) -> object:
    """Read a YAML file as plain values; an empty one gives no settings."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {error}") from None
    return _parsed(text, str(path))


def _parsed(text: str, where: str) -> object:
    try:
        content = yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{where}: cannot be read as YAML: {_reason(error)}. Correct it."
        ) from None
    return {} if content is None else content


def _reason(error: Exception) -> str:
    """Say in one line what is wrong, and where the parser knows."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    place = f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}"
    return " ".join(filter(None, (f"{place}:", error.problem, error.context)))


def to_yaml(config: object) -> str:
    """Return the YAML text that `load_settings` reads back."""
    return yaml.safe_dump(_plain(to_dict(config)), sort_keys=False, allow_unicode=True)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def to_dict(config: object) -> dict[str, Any]:
    """Return the config as plain values for YAML or JSON."""
    return dataclasses.asdict(config)  # type: ignore[call-overload, no-any-return]


def from_dict(cls: type, content: object, where: str) -> Any:  # noqa: ANN401
    """Build a config dataclass from plain values; `where` names the place in messages."""
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: need settings by name, found {content!r}.")
    fields = {item.name: item for item in dataclasses.fields(cls)}
    for key in content:
        if key not in fields:
            raise ConfigError(f"{where}: {key!r} is unknown; settings here: {', '.join(fields)}.")
    missing = [n for n, f in fields.items() if n not in content and _required(f)]
    if missing:
        raise ConfigError(f"{where}: {missing[0]!r} is missing.")
    values = {k: _convert(fields[k].type, v, f"{where}: {k}") for k, v in content.items()}
    try:
        return cls(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _convert(kind: Any, value: object, where: str) -> object:  # noqa: ANN401
    if dataclasses.is_dataclass(kind):
        assert isinstance(kind, type)
        return from_dict(kind, value, where)
    if kind is Any:
        return value
    if isinstance(kind, UnionType):  # X | None
        return None if value is None else _convert(get_args(kind)[0], value, where)
    origin = get_origin(kind)
    if origin is tuple:
        items = _of_type(value, list | tuple, "a list", where)
        return tuple(_convert(get_args(kind)[0], item, where) for item in items)
    if origin is dict:
        named = _of_type(value, dict, "settings by name", where)
        return {n: _convert(get_args(kind)[1], item, f"{where}: {n}") for n, item in named.items()}
    if origin is Literal:
        if value not in get_args(kind):
            raise ConfigError(f"{where}: found {value!r}, need one of {', '.join(get_args(kind))}.")
        return value
    if kind is float and isinstance(value, int | str) and not isinstance(value, bool):
        with suppress(ValueError):
            return float(value)  # YAML 1.1 takes 1e-3 for text.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ConfigError(f"{where}: need {kind.__name__}, found {value!r}.")
    return value


def _of_type(value: Any, kind: Any, name: str, where: str) -> Any:  # noqa: ANN401
    if not isinstance(value, kind):
        raise ConfigError(f"{where}: need {name}, found {value!r}.")
    return value


def _required(item: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return item.default is missing and item.default_factory is missing
