"""JSON in cells of a table."""

import json
from typing import Any


def parse_json(text: str) -> Any:  # noqa: ANN401
    r"""Parse JSON text; raises ValueError (RecursionError if nested too deep) as `json` does.

    Half of a surrogate pair (an emoji cut in two: "\ud83d"), which cannot be encoded, becomes "?".
    """
    parsed = json.loads(text)
    if "\\ud" not in text.lower():
        return parsed
    return json.loads(json.dumps(parsed, ensure_ascii=False).encode(errors="replace"))
