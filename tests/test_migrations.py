"""The migrations make exactly the schema that the code uses, on both engines, and say clearly what is wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

import migrations
from node.config import Settings
from node.schema import metadata
from tests.conftest import make_settings

# Made by hand in the migrations, since full-text search differs between the engines.
BY_HAND = ("post_search", "account_search")


@pytest.fixture
def migrated(engine_name: str, tmp_path: Path, new_database_url: Callable[[str, Path], str]) -> Settings:
    return make_settings(tmp_path, database_url=new_database_url(engine_name, tmp_path))


@pytest.fixture
def empty(engine_name: str, tmp_path: Path, new_database_url: Callable[[str, Path], str]) -> Settings:
    if engine_name == "sqlite":
        return make_settings(tmp_path)
    settings = make_settings(tmp_path, database_url=new_database_url(engine_name, tmp_path))
    engine = migrations.make_engine(settings)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return settings


def test_the_migrations_make_the_schema_of_the_code(migrated: Settings) -> None:
    engine = migrations.make_engine(migrated)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = [d for d in compare_metadata(context, metadata) if not any(name in str(d) for name in BY_HAND)]
    engine.dispose()
    assert differences == []


def test_ids_of_pruned_events_are_never_used_again(migrated: Settings) -> None:
    """Streams go by event ids: SQLite would hand out the highest id again once its row is gone."""
    engine = migrations.make_engine(migrated)
    with engine.begin() as connection:
        insert = text("INSERT INTO event (kind, at) VALUES ('update', 0)")
        connection.execute(insert)
        connection.execute(text("DELETE FROM event"))
        connection.execute(insert)
        assert connection.execute(text("SELECT id FROM event")).scalar_one() == 2
    engine.dispose()


def test_upgrading_twice_does_nothing_the_second_time(migrated: Settings) -> None:
    assert migrations.upgrade(migrated) == []
    assert migrations.current(migrated) == migrations.head()
    migrations.check(migrated)


def test_a_database_of_a_newer_release_is_refused_and_left_alone(migrated: Settings) -> None:
    _set_revision(migrated, "9999")
    with pytest.raises(migrations.SchemaError, match="newer release"):
        migrations.check(migrated)
    with pytest.raises(migrations.SchemaError, match="newer release"):
        migrations.upgrade(migrated)
    assert migrations.current(migrated) == "9999"


def test_an_empty_database_is_told_to_migrate_and_then_is_whole(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    with pytest.raises(migrations.SchemaError, match="corridor migrate"):
        migrations.check(settings)
    steps: list[str] = []
    applied = migrations.upgrade(settings, steps.append)
    assert applied[0] == "0001"
    assert len(steps) == len(applied)
    migrations.check(settings)


def test_a_failing_migration_leaves_the_database_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction for all steps, on SQLite too: the table made first is gone again."""
    settings = make_settings(tmp_path)
    engine = migrations.make_engine(settings)
    with engine.connect() as connection:  # in the way of the migration's last tables
        connection.execute(text("CREATE TABLE tombstone (x INTEGER)"))
    engine.dispose()
    with pytest.raises(Exception, match="tombstone"):
        migrations.upgrade(settings)
    engine = migrations.make_engine(settings)
    with engine.connect() as connection:
        tables = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
    engine.dispose()
    assert list(tables) == ["tombstone"]


def test_people_who_are_there_already_are_written_into_the_index_by_a_job(empty: Settings) -> None:
    """Of an empty database there is nobody to write down, and no job."""
    migrations.upgrade(empty, to="0001")
    engine = migrations.make_engine(empty)
    waiting = text("SELECT kind, payload FROM job")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO account (id, username, handle, iri, url, created_at, updated_at)"
                " VALUES (1, 'anna', 'anna', 'https://eng.example/users/anna', 'https://eng.example/@anna', 0, 0)"
            )
        )
        assert connection.execute(waiting).all() == []
    assert migrations.upgrade(empty)[0] == "0002"
    with engine.connect() as connection:
        assert connection.execute(waiting).all() == [("account.index", "{}")]
    engine.dispose()


def _set_revision(settings: Settings, revision: str) -> None:
    engine = migrations.make_engine(settings)
    with engine.connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        connection.commit()
    engine.dispose()
