"""Pictures that show no product ("no image"): found by their name, looks and the products' titles.

A picture counts as one where it is flat, where its address says so, or where the same picture, byte
for byte or to the eye, stands for several groups of products whose titles are unlike. Sizes and
colours of a product share a picture rightly: their titles are alike, or their group is one.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from statistics import median
from urllib.parse import unquote, urlsplit

from rapidfuzz import fuzz

NAMED = re.compile(
    r"(?:^|[-_. /])(?:no[-_. ]?(?:image|img|photo|picture|pic)(?:[-_. ]?available)?|placeholder|"
    r"(?:image|photo|picture)?[-_. ]?(?:coming[-_. ]?soon|not[-_. ]?(?:available|found))|"
    r"(?:image|photo|picture)[-_. ]missing|kein[-_. ]?bild|pas[-_. ]d[-_. ]image|sin[-_. ]imagen|"
    r"sem[-_. ]imagem|dummy[-_. ]?image)(?:$|[-_. /\d])",
    re.I,
)
"""Names of files that shops give to a picture for want of one."""
MIN_GROUPS = 4
"""Groups of products with one picture from which on it may be a placeholder."""
LIKE_TITLES = 60.0
"""Likeness of titles, 0 to 100, from which on two products may be variants."""
MAX_TITLES = 50


def is_named_so(url: str) -> bool:
    """Return whether the name of an address's file says that there is no image."""
    return bool(NAMED.search(unquote(urlsplit(url).path).rsplit("/", 1)[-1].rsplit(".", 1)[0]))


def titles_unlike(titles: Iterable[str]) -> bool:
    """Return whether most titles are unlike their neighbours in the order of the alphabet."""
    ordered = sorted(title.lower() for title in titles if title)
    step = max(1, len(ordered) // MAX_TITLES)
    scores = [fuzz.token_set_ratio(one, two) for one, two in pairwise(ordered[::step])]
    return bool(scores) and median(scores) < LIKE_TITLES


def titles_alike(one: str, two: str) -> bool:
    """Return whether two titles may be of variants of one product."""
    return not one or not two or fuzz.token_set_ratio(one.lower(), two.lower()) >= LIKE_TITLES


def shared_by_unlike(
    pictures: Iterable[Iterable[str]], uses: Mapping[str, set[str]], titles: Mapping[str, str]
) -> set[str]:
    """Return the files of those pictures that stand for many groups of unlike titles.

    Each picture is one or several files; `uses` has the groups of a file, `titles` a title of each
    group.
    """
    found = set()
    for files in pictures:
        names = list(files)
        groups = set().union(*(uses.get(name, set()) for name in names))
        if len(groups) >= MIN_GROUPS and titles_unlike(titles.get(g, "") for g in groups):
            found.update(names)
    return found


def uses_of(
    products: Iterable[tuple[str, Iterable[str]]], files: Mapping[str, str]
) -> dict[str, set[str]]:
    """Return the groups of products that each file stands for."""
    uses: dict[str, set[str]] = defaultdict(set)
    for group, urls in products:
        for url in urls:
            if url in files:
                uses[files[url]].add(group)
    return uses
