"""Names of columns without what all of them begin with (`OXTITLE`, `p_name.de`)."""

import re
from collections import Counter
from collections.abc import Sequence

MIN_SHARE = 0.6
MIN_COLUMNS = 5
_PREFIX = re.compile(r"[A-Za-z]{1,12}[_.:-]")
_CAPITALS = 2
"""Letters of a prefix that nothing divides from the name (OX, WC)."""
_KIND = re.compile(r"(?:products|product|item|article|artikel)[_. -](?=[a-z])", re.IGNORECASE)


def without_prefix(header: Sequence[str]) -> dict[str, str]:
    """Return the shorter names of columns that share a prefix, and no others."""
    found: Counter[str] = Counter()
    for name in header:
        if (hit := _PREFIX.match(name)) is not None:
            found[hit[0]] += 1
        elif name.isupper() and len(name) > _CAPITALS + 1 and name.isalnum():
            found[name[:_CAPITALS]] += 1
    prefix, number = max(found.items(), key=lambda item: item[1], default=("", 0))
    is_shared = number >= max(MIN_COLUMNS, MIN_SHARE * len(header))
    shorter = {}
    for name in header:
        bare = name.removeprefix(prefix) if is_shared else name
        bare = _KIND.sub("", bare, count=1) if _KIND.match(bare) else bare
        if bare and bare != name:
            shorter[name] = bare
    return shorter
