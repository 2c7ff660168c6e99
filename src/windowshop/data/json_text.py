"""JSON inside a table's cells, as shops write it."""

import json
from typing import Any


def parse_json(text: str) -> Any:  # noqa: ANN401
    r"""What JSON text holds; raises ValueError (RecursionError if nested too deep) as `json` does.

    Half of a surrogate pair (an emoji cut in two: "\ud83d"), which no encoder or file takes,
    becomes "?".
    """
    parsed = json.loads(text)
    if "\\ud" not in text.lower():
        return parsed
    return json.loads(json.dumps(parsed, ensure_ascii=False).encode(errors="replace"))
