"""Fetched images -> those that are used, and what is reported of the others and of look-alikes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from windowshop.imports.images.config import FetchConfig
from windowshop.imports.images.fetched import FETCHED, Record
from windowshop.imports.images.likeness import Likenesses, alike_groups
from windowshop.imports.images.links import ProductLinks, group_ids
from windowshop.imports.images.placeholders import (
    is_named_so,
    shared_by_unlike,
    titles_alike,
    uses_of,
)
from windowshop.imports.images.report import MAX_ALIKE, Example, Finding, findings


@dataclass(frozen=True, slots=True)
class Review:
    """Files of the addresses whose images are used, other groups, and counts for the report."""

    files: dict[str, str]
    groups: dict[str, str]
    """Another group for each group that has one."""
    counts: dict[str, Any]


def review(links: ProductLinks, records: Mapping[str, Record], config: FetchConfig) -> Review:
    """Choose the images that products get; placeholders are left out."""
    ids, groups = links.table["product_id"].to_list(), group_ids(links.table)
    titles = _titles(links, groups)
    owner = {
        url: i for i, urls in reversed(list(zip(ids, links.urls, strict=True))) for url in urls
    }
    known = {url: records[url] for url in owner if url in records and records[url].file}
    files = {url: record.file for url, record in known.items()}
    stored = {record.file: record.likeness for record in known.values()}
    names, likenesses = list(stored), Likenesses.read(list(stored.values()))
    looks = [[names[i] for i in group] for group in alike_groups(likenesses, config.max_bits)]
    uses = uses_of(zip(groups, links.urls, strict=True), files)
    reasons = _placeholders(
        files,
        shared=shared_by_unlike([*([name] for name in names), *looks], uses, titles),
        flat={name for name, flat in zip(names, likenesses.is_flat_N, strict=True) if flat},
    )
    used = {url: name for url, name in files.items() if name not in reasons}
    first = [next((used[url] for url in urls if url in used), None) for urls in links.urls]
    alike = _alike(first, ids, groups, looks)
    other = _other_groups(alike, titles) if config.group_near_duplicates else {}
    counts = {
        "num_products": len(ids),
        "num_with_image": sum(
            name is not None or bool(own) for name, own in zip(first, links.files, strict=True)
        ),
        "failures": _failures(owner, records),
        "placeholders": findings(
            (reasons[name], Example(owner[url], url, ""))
            for url, name in files.items()
            if name in reasons
        ),
        "alike": tuple(tuple(i for i, _ in members) for members in alike[:MAX_ALIKE]),
        "num_alike": len(alike),
        "num_grouped": sum(group in other for group in groups),
    }
    return Review(used, other, counts)


def _failures(owner: Mapping[str, str], records: Mapping[str, Record]) -> tuple[Finding, ...]:
    asked = ((url, records[url]) for url in owner if url in records)
    return findings(
        (record.kind, Example(owner[url], url, record.detail))
        for url, record in asked
        if record.kind != FETCHED
    )


def _titles(links: ProductLinks, groups: list[str]) -> dict[str, str]:
    """Return the first title of each group."""
    if "title" not in links.table.columns:
        return {}
    titles: dict[str, str] = {}
    for group, title in zip(groups, links.table["title"].to_list(), strict=True):
        titles.setdefault(group, title or "")
    return titles


def _placeholders(files: Mapping[str, str], shared: set[str], flat: set[str]) -> dict[str, str]:
    """Return why a file shows no product, by file."""
    reasons = dict.fromkeys(shared, "same picture for unlike products")
    reasons |= dict.fromkeys(flat, "flat picture")
    reasons |= {name: "named so" for url, name in files.items() if is_named_so(url)}
    return reasons


Member = tuple[str, str]
"""Id and group of a product."""


def _alike(
    first: Iterable[str | None], ids: list[str], groups: list[str], looks: list[list[str]]
) -> list[list[Member]]:
    """Return the products of different groups whose first images are alike, together."""
    leader = {name: members[0] for members in looks for name in members}
    together: dict[str, list[Member]] = {}
    for name, product, group in zip(first, ids, groups, strict=True):
        if name is not None:
            together.setdefault(leader.get(name, name), []).append((product, group))
    return [members for members in together.values() if len({g for _, g in members}) > 1]


def _other_groups(alike: list[list[Member]], titles: Mapping[str, str]) -> dict[str, str]:
    """Join the groups of products that are alike in image and title; the first one's id stays."""
    joined: dict[str, str] = {}

    def root(group: str) -> str:
        while group in joined:
            group = joined[group]
        return group

    for members in alike:
        first = members[0][1]
        for _, group in members:
            one, two = root(first), root(group)
            if one != two and titles_alike(titles.get(first, ""), titles.get(group, "")):
                joined[two] = one
    return {group: root(group) for group in joined}
