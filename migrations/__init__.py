"""Schema migrations (Alembic), run from Python: `upgrade`, `current`, `head`, `check`.

Each migration is one transaction, on SQLite as well; a lock keeps two upgrades apart. A migration must be safe while the
previous release still runs.
"""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text

from node import db
from node.config import Settings

Progress = Callable[[str], None]
_LOCK = 0x636F727269646F72  # "corridor": PostgreSQL advisory lock


class SchemaError(Exception):
    """The schema of this database does not fit this release. `str(error)` says what to run."""


def configuration() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def head() -> str:
    """The newest revision that this release knows."""
    revision = ScriptDirectory.from_config(configuration()).get_current_head()
    assert revision is not None
    return revision


def current(settings: Settings) -> str | None:
    """The revision of the database; None for an empty one."""
    engine = make_engine(settings)
    try:
        with engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


def check(settings: Settings) -> None:
    """Raise SchemaError unless the database is at this release's newest revision."""
    found, wanted = current(settings), head()
    if found == wanted:
        return
    if found is None:
        raise SchemaError("the database has no tables yet: run `corridor migrate`")
    if found not in _known():
        raise SchemaError(f"the database is at revision {found}, which is of a newer release than this one")
    raise SchemaError(f"the database is at revision {found}, this release needs {wanted}: run `corridor migrate`")


def upgrade(settings: Settings, progress: Progress = lambda _step: None, *, to: str = "head") -> list[str]:
    """Bring the database to the newest revision, or to an earlier one; those that were applied, oldest first."""
    engine = make_engine(settings)
    try:
        with db.exclusive(engine) as connection:
            return upgrade_on(connection, progress, to=to)
    finally:
        engine.dispose()


def upgrade_on(connection: Connection, progress: Progress = lambda _step: None, *, to: str = "head") -> list[str]:
    """The same within a transaction of the caller."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    before = _revision(connection)
    if before is not None and before not in _known():
        raise SchemaError(f"the database is at revision {before}, which is of a newer release than this one")
    scripts = ScriptDirectory.from_config(configuration())
    steps = [script.revision for script in scripts.iterate_revisions(to, before or "base")][::-1]
    config = configuration()
    config.attributes["connection"] = connection
    for revision in steps:
        progress(f"{revision}: {scripts.get_revision(revision).doc}")
        command.upgrade(config, revision)
    return steps


def make_engine(settings: Settings) -> Engine:
    if settings.is_sqlite:
        return db.sqlite_engine(settings.database_url)
    return create_engine(settings.database_url)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _known() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions()}
