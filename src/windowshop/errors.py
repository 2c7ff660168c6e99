"""Named errors. Each message says where, what was found, and what to do."""


class WindowshopError(Exception):
    """Base of every error that a user can mend; the CLI prints it without a traceback."""


class DataError(WindowshopError):
    """A data set cannot be read, or lacks what a command needs."""


class ConfigError(WindowshopError):
    """A setting is unknown, out of range, or disagrees with another one."""


class EncoderError(WindowshopError):
    """An encoder cannot be found or loaded, or gave features that cannot be used."""


class ModelError(WindowshopError):
    """A model folder is missing, incomplete, or was made by something else."""


class ExportError(WindowshopError):
    """A query encoder cannot be exported, or its folder is missing, damaged or of another model."""


class IndexFolderError(WindowshopError):
    """An index folder is missing, incomplete, or was made by something else."""


class FilterError(WindowshopError):
    """A filter expression cannot be parsed, or names a column that the index lacks."""


class SearchError(WindowshopError):
    """A search request cannot be answered as it stands."""


class LedgerError(WindowshopError):
    """A ledger of products cannot be read or written, or is damaged."""


class EngineError(WindowshopError):
    """A search engine's files cannot be used, or it was asked for what it does not hold."""
