"""Check of an index folder: manifests, models and exports of its generations, in full."""

from pathlib import Path

from windowshop.errors import WindowshopError
from windowshop.files import EXPORT, INDEX, MODEL, FolderCheck, check_folder
from windowshop.index.folder import open_generations
from windowshop.index.open import EXPORT_FOLDER, GENERATION, MODEL_FOLDER


def check_generations(folder: Path) -> list[FolderCheck]:
    """Compare the files of the current and the previous generation with their manifests.

    What a build that ended early left beside them is not looked at; the next one removes it.
    """
    checks = [check_folder(folder, INDEX)]
    try:
        generations = open_generations(folder)
        names = [generations.current, generations.previous]
        if names[0] is None:
            raise INDEX.error(f"{folder}: has no generation to search. Run `{INDEX.command}`.")
    except WindowshopError as error:
        return [*checks, FolderCheck(folder, 0, (str(error),))]
    for name in filter(None, names):
        path = generations.path(name)
        model = path / MODEL_FOLDER
        checks += [
            check_folder(path, GENERATION),
            check_folder(model, MODEL),
            check_folder(model / EXPORT_FOLDER, EXPORT),
        ]
    return checks
