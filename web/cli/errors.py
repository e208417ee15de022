"""What went wrong, in one line for an administrator."""

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from activitypub.errors import ProtocolError
from migrations import SchemaError
from node.backup import BackupError
from node.config import ConfigError
from node.errors import Invalid, NodeError
from node.secrets import SecretError


def explained(error: Exception) -> str:
    """The line; unexpected errors name their type and how to see more."""
    if isinstance(error, Invalid) and error.field:
        return f"{error.field}: {error}"
    if isinstance(error, (NodeError, ConfigError, SecretError, SchemaError, BackupError, ProtocolError)):
        return str(error)
    if isinstance(error, OperationalError):
        return f"the database cannot be used: {error.orig}"
    if isinstance(error, SQLAlchemyError):
        return f"the database refused: {getattr(error, 'orig', error)}"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return f"unexpected {type(error).__name__}: {error} (CORRIDOR_DEBUG=1 shows where)"
