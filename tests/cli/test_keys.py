"""`corridor keys`."""

from pathlib import Path

import pytest

from tests.cli.conftest import Corridor
from tests.cli.test_account import create


@pytest.fixture
def anna(corridor: Corridor, eng: Path) -> Path:
    create(corridor, "anna")
    return eng


def _in_use(corridor: Corridor, *whose: str) -> set[str]:
    return {key["iri"] for key in corridor("keys", "list", *whose, "--json").json if key["revoked_at"] is None}


def test_the_nodes_keys_are_listed_with_its_identity(corridor: Corridor, eng: Path) -> None:
    kinds = [key["kind"] for key in corridor("keys", "list", "--json").json]
    assert sorted(kinds) == ["ed25519", "identity", "rsa"]
    said = corridor("keys", "list").out
    (identity,) = [key["public"] for key in corridor("keys", "list", "--json").json if key["kind"] == "identity"]
    assert identity in said
    assert "3 keys" in said


def test_a_person_gets_new_keys_and_the_old_ones_stay_on_the_list(corridor: Corridor, anna: Path) -> None:
    before = _in_use(corridor, "anna")
    assert "1 account." in corridor("keys", "rotate", "anna").out
    after = _in_use(corridor, "anna")
    assert (len(before), len(after), before & after) == (2, 2, set())
    assert len(corridor("keys", "list", "anna", "--json").json) == 4
    assert corridor("keys", "list", "anna").out.count("replaced ") == 2


def test_the_nodes_own_keys_change_and_its_identity_does_not(corridor: Corridor, anna: Path) -> None:
    before, annas = _in_use(corridor), _in_use(corridor, "anna")
    corridor("keys", "rotate", "--node")
    after = _in_use(corridor)
    assert {iri.partition("#")[2] for iri in before & after} == {"identity"}
    assert _in_use(corridor, "anna") == annas


def test_everybody_at_once(corridor: Corridor, anna: Path) -> None:
    before = _in_use(corridor, "--all")
    assert "2 accounts" in corridor("keys", "rotate", "--all").out
    assert {iri.partition("#")[2] for iri in before & _in_use(corridor, "--all")} == {"identity"}


def test_a_new_identity_is_printed_for_the_roster(corridor: Corridor, anna: Path) -> None:
    (before,) = [key["public"] for key in corridor("keys", "list", "--json").json if key["kind"] == "identity"]
    assert "roster" in corridor("keys", "rotate", "--identity", status=1).err
    assert before in corridor("keys", "list").out
    said = corridor("keys", "rotate", "--identity", "--yes").out
    (after,) = [key["public"] for key in corridor("keys", "list", "--json").json if key["kind"] == "identity"]
    assert before != after
    assert after in said
    assert "roster" in said


def test_one_must_say_whose(corridor: Corridor, anna: Path) -> None:
    before = _in_use(corridor, "--all")
    corridor("keys", "rotate", status=2)
    corridor("keys", "rotate", "anna", "--node", status=2)
    corridor("keys", "rotate", "nobody", status=1)
    assert _in_use(corridor, "--all") == before
