"""Copy the writes of one generation to another."""

from windowshop.errors import IndexFolderError
from windowshop.files import INDEX
from windowshop.index.catalogue.ledger import Position
from windowshop.index.catalogue.records import Delete
from windowshop.index.open import OpenIndex


def copy_writes(old: OpenIndex, new: OpenIndex, since: Position | None = None) -> Position:
    """Apply to `new` the changes that were written to `old` after `since`.

    Without `since`, begins where one of the two was built beside the other. Rows are encoded by the
    model of `new`. Returns the position reached: call again from there until few changes are left,
    switch, and call once more. Raises IndexFolderError where the missing changes are unknown.
    """
    position = since or _common_position(old, new)
    if not old.collection.reaches(position):
        raise IndexFolderError(
            f"{old.folder}: what {old.generation} held when {new.generation} was built is no "
            f"longer apart from what came later. Run `{INDEX.command}` again."
        )
    for change, end in old.collection.changes(position):
        if isinstance(change, Delete):
            new.delete(list(change.product_ids))
        else:
            new.upsert_from(change.products, old)
        position = end
    return position


def _common_position(old: OpenIndex, new: OpenIndex) -> Position:
    """Return the position in the ledger of `old` up to which the data of `new` has everything."""
    since = new.manifest.copied_since
    if since is not None and new.manifest.copied_from == old.generation:
        return Position(**since)
    if old.manifest.copied_from == new.generation:
        return Position(**old.manifest.filled_to)
    raise IndexFolderError(
        f"{old.folder}: {new.generation} was not built beside {old.generation}. Run "
        f"`{INDEX.command}` again."
    )
