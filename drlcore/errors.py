"""Errors a user can act on. Each message names what was given and what is allowed."""


class ParameterError(ValueError):
    """A parameter is unknown, has the wrong type, or an impossible value."""


class DataError(RuntimeError):
    """A data file is absent, truncated, or does not have its published checksum."""


class ArtefactError(RuntimeError):
    """A stored run or product is missing, corrupt, or was made from other data."""


class TrainingError(RuntimeError):
    """Training cannot go on; what was computed so far is kept."""
