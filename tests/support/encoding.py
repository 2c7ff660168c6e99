"""Encodings of a catalogue: what they leave on the disk, and reporters that step in."""

from contextlib import contextmanager

from windowshop.model import EncodingConfig

SHARDS = EncodingConfig(num_shards=5)


def files_of(folder):
    """Contents of all files below a folder by their paths, but for locks, which are empty."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


class SteppingIn:
    """Reporter that calls `step` with how often the bar `name` has advanced."""

    def __init__(self, name, step):
        self.name, self.step, self.count, self.notes = name, step, 0, []

    @contextmanager
    def bar(self, name, total):
        def advance(count, text):
            if name == self.name:
                self.count += 1
                self.step(self.count)

        yield advance

    def note(self, text):
        self.notes.append(text)
