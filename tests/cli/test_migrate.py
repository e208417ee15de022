"""`corridor migrate`."""

from pathlib import Path

from sqlalchemy import text

import migrations
from tests.cli.conftest import Corridor, settings_of


def test_an_empty_database_becomes_a_node(corridor: Corridor, small: Path) -> None:
    (small.parent / "corridor.db").write_bytes(b"")
    assert "corridor migrate" in corridor("account", "list", status=1).err
    said = corridor("migrate")
    assert "0001: " in said.out
    assert f"at revision {migrations.head()}" in said.out
    assert corridor("doctor", "--json").json["healthy"]


def test_a_second_time_there_is_nothing_to_do(corridor: Corridor, eng: Path) -> None:
    said = corridor("migrate", "--json").json
    assert said == {"before": migrations.head(), "now": migrations.head(), "applied": []}
    assert "nothing to do" in corridor("migrate").out


def test_a_database_of_a_newer_release_is_left_alone(corridor: Corridor, eng: Path) -> None:
    set_revision(eng, "9999")
    for command in (("migrate",), ("account", "list"), ("serve",)):
        assert "newer release" in corridor(*command, status=1).err
    assert migrations.current(settings_of(eng)) == "9999"


def set_revision(path: Path, revision: str) -> None:
    engine = migrations.make_engine(settings_of(path))
    with engine.connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        connection.commit()
    engine.dispose()
