"""`corridor account`."""

import asyncio
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from node import passwords
from node.schema import account, login
from tests.cli.conftest import Corridor, Said, opened

PASSWORD = "correct horse battery"


def create(corridor: Corridor, name: str, *options: str, status: int = 0, password: str = PASSWORD) -> Said:
    words = ("account", "create", name, "--email", f"{name}@example.org", "--password", password, *options)
    return corridor(*words, "--json", status=status)


def test_an_account_is_made_shown_and_listed(corridor: Corridor, eng: Path) -> None:
    create(corridor, "carla", "--executive", "--role", "admin", "--role", "employee")
    create(corridor, "anna", "--title", "Pump engineer", "--display-name", "Anna B.", "--manager", "carla")
    anna = corridor("account", "show", "anna", "--json").json
    assert anna["title"] == "Pump engineer"
    assert anna["display_name"] == "Anna B."
    assert anna["manager"] == "https://eng.example/users/carla"
    assert anna["roles"] == ["employee"]
    assert not anna["executive"]
    people = corridor("account", "list", "--json").json
    assert [person["name"] for person in people] == ["carla", "anna"]
    assert people[0]["roles"] == ["employee", "admin"]
    assert people[0]["executive"]
    text = corridor("account", "list").out
    assert "anna@example.org" in text
    assert text.endswith("2 people\n")


def test_a_new_person_can_sign_in_and_the_password_is_not_stored(corridor: Corridor, small: Path) -> None:
    create(corridor, "anna")
    stored = _logins(small)[0]
    assert PASSWORD not in stored
    assert stored.startswith("$argon2id$")
    assert asyncio.run(passwords.verify(stored, PASSWORD))


def test_the_password_can_come_from_standard_input(
    corridor: Corridor, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from the keyboard\n"))
    create(corridor, "anna", password="-")
    assert asyncio.run(passwords.verify(_logins(small)[0], "from the keyboard"))


@pytest.mark.parametrize(
    ("name", "options", "word"),
    [
        ("anna", (), "username: has already been taken"),
        ("An na", (), "username: may hold letters"),
        ("everyone", (), "username: is reserved"),
        ("bob", ("--manager", "nobody"), "manager: no account 'nobody'"),
    ],
)
def test_what_cannot_be_is_refused_with_the_name_of_the_field(
    corridor: Corridor, small: Path, name: str, options: Sequence[str], word: str
) -> None:
    create(corridor, "anna")
    said = create(corridor, name, *options, status=1)
    assert word in said.err
    assert len(_logins(small)) == 1


def test_a_short_password_is_refused(corridor: Corridor, small: Path) -> None:
    said = create(corridor, "anna", password="short", status=1)
    assert "password: is too short (minimum is 10 characters)" in said.err


def test_an_unknown_role_is_wrong_usage(corridor: Corridor, small: Path) -> None:
    create(corridor, "anna", "--role", "king", status=2)


def test_what_the_administration_says_is_changed_and_the_rest_stays(corridor: Corridor, eng: Path) -> None:
    create(corridor, "carla")
    create(corridor, "anna", "--title", "Pump engineer")
    words = ("--manager", "carla", "--away-until", "2026-12-24", "--role", "comms", "--role", "employee")
    changed = corridor("account", "edit", "anna", *words, "--json").json
    assert changed["title"] == "Pump engineer"
    assert changed["manager"].endswith("/users/carla")
    assert changed["away_until"] == "2026-12-24T23:59:59+00:00"
    assert changed["roles"] == ["employee", "comms"]
    cleared = corridor("account", "edit", "anna", "--title", "", "--away-until", "", "--json").json
    assert cleared["title"] is None
    assert cleared["away_until"] is None
    assert cleared["manager"].endswith("/users/carla")


@pytest.mark.parametrize(
    "day",
    ["soon", "2026-13-01", "2026-02-29", "10000-01-01", "99999999-12-31", "0000-01-01", "-1-01-01", "2026-12-24Z"],
)
def test_what_is_no_day_is_said_and_changes_nothing(corridor: Corridor, small: Path, day: str) -> None:
    create(corridor, "anna")
    said = corridor("account", "edit", "anna", "--title", "Lead", f"--away-until={day}", status=1)
    assert said.err == f"corridor: away-until: {day!r} is no date up to 9999-12-31; write YYYY-MM-DD\n"
    assert corridor("account", "show", "anna", "--json").json["title"] is None


def test_a_day_before_there_was_time_is_said(corridor: Corridor, small: Path) -> None:
    create(corridor, "anna")
    for day in ("0001-01-01", "1969-12-31"):
        said = corridor("account", "edit", "anna", "--away-until", day, status=1)
        assert said.err == f"corridor: away-until: {day} is before 1970\n"


@pytest.mark.parametrize("day", ["1970-01-01", "2028-02-29", "9999-12-31"])
def test_a_day_that_can_be_named_is_shown_to_its_end(corridor: Corridor, small: Path, day: str) -> None:
    create(corridor, "anna")
    changed = corridor("account", "edit", "anna", "--away-until", day, "--json").json
    assert changed["away_until"] == f"{day}T23:59:59+00:00"
    assert corridor("account", "show", "anna", "--json").json == changed


def test_a_disabled_account_gets_no_token_until_it_is_enabled(corridor: Corridor, eng: Path) -> None:
    create(corridor, "anna")
    corridor("account", "disable", "anna")
    assert corridor("account", "show", "anna", "--json").json["disabled_at"]
    assert "can sign in" in corridor("token", "create", "anna", status=1).err
    corridor("account", "enable", "anna")
    assert corridor("token", "create", "anna").out.strip()


def test_a_new_password_ends_every_token(corridor: Corridor, eng: Path) -> None:
    create(corridor, "anna")
    corridor("token", "create", "anna")
    assert len(corridor("token", "list", "anna", "--json").json) == 1
    corridor("account", "password", "anna", "--password", "another long one")
    assert corridor("token", "list", "anna", "--json").json == []


def test_an_unknown_person_is_not_found(corridor: Corridor, eng: Path) -> None:
    for words in (("show", "bob"), ("disable", "bob"), ("edit", "bob", "--title", "x")):
        assert "not found" in corridor("account", *words, status=1).err


def _logins(path: Path) -> list[str]:
    node = opened(path)
    with node.storage.engine.connect() as connection:
        rows = connection.execute(select(login.c.password_hash).join(account).order_by(account.c.id)).scalars().all()
    node.close()
    return list(rows)
