"""Carry the writes of one generation over to another."""

from windowshop.errors import IndexFolderError
from windowshop.files import INDEX
from windowshop.index.catalogue.ledger import Position
from windowshop.index.catalogue.records import Delete
from windowshop.index.open import OpenIndex


def carry_over(old: OpenIndex, new: OpenIndex, since: Position | None = None) -> Position:
    """Apply to `new` what was written to `old` since the build that parted them.

    Rows are encoded by the model of `new`. Call it with the position that it returned until little
    is left, switch, and call it once more. For a rollback it goes from the newer generation to the
    older one. Raises IndexFolderError where it cannot be told what is missing.
    """
    position = since or _parted(old, new)
    if not old.collection.reaches(position):
        raise IndexFolderError(
            f"{old.folder}: what {old.generation} held when {new.generation} was built is no "
            f"longer apart from what came later. Run `{INDEX.command}` again."
        )
    for change, behind in old.collection.changes(position):
        if isinstance(change, Delete):
            new.delete(list(change.product_ids))
        else:
            new.adopt(change.products, old)
        position = behind
    return position


def _parted(old: OpenIndex, new: OpenIndex) -> Position:
    """Where in the ledger of `old` begins what `new` does not have from its data."""
    told = new.manifest.carried_since
    if told is not None and new.manifest.carried_from == old.generation:
        return Position(**told)
    if old.manifest.carried_from == new.generation:
        return Position(**old.manifest.filled_to)
    raise IndexFolderError(
        f"{old.folder}: {new.generation} was not built beside {old.generation}. Run "
        f"`{INDEX.command}` again."
    )
