"""What a rule of the node may answer instead of a result.

    NodeError
    ├── NotFound      it does not exist, or this viewer may not know that it does
    ├── Forbidden     the viewer is known and may not do this (wrong scope, wrong role)
    ├── Unauthorized  no valid credentials
    ├── Invalid       a value is wrong; `field` names it
    ├── Conflict      the state of the world says no (already taken, already voted)
    ├── Unknown       an ActivityPub object is needed first; the worker fetches `iri` and tries again
    └── Unavailable   the database can't take it just now (full disk, lock); nothing was stored, try again

`web/errors.py` alone knows which HTTP status each one is. `retry` says whether the same call may succeed later.
"""

from typing import ClassVar


class NodeError(Exception):
    """Base of all errors that the node raises on purpose. `str(error)` is fit for a person."""

    retry: ClassVar[bool] = False


class NotFound(NodeError):
    def __init__(self, message: str = "Record not found") -> None:
        super().__init__(message)


class Forbidden(NodeError):
    def __init__(self, message: str = "This action is not allowed") -> None:
        super().__init__(message)


class Unauthorized(NodeError):
    def __init__(self, message: str = "The access token is invalid") -> None:
        super().__init__(message)


class Invalid(NodeError):
    """A value that cannot be taken. `field` is the name as the caller sent it, or None."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Conflict(NodeError):
    pass


class Unknown(NodeError):
    """A handler needs the object `iri`, which is not stored yet. Rolls back; the worker fetches it and runs again."""

    retry: ClassVar[bool] = True

    def __init__(self, iri: str) -> None:
        super().__init__(f"not stored here yet: {iri}")
        self.iri = iri


class Unavailable(NodeError):
    retry: ClassVar[bool] = True

    def __init__(self, message: str = "The database cannot take this now; nothing was stored. Try again.") -> None:
        super().__init__(message)
