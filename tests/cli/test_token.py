"""`corridor token`."""

import asyncio
from pathlib import Path

import pytest

from node import auth
from node.errors import Unauthorized
from node.secrets import token_hash
from node.viewer import Viewer
from tests.cli.conftest import Corridor, opened
from tests.cli.test_account import create


@pytest.fixture
def anna(corridor: Corridor, eng: Path) -> Path:
    create(corridor, "anna")
    return eng


def test_a_token_stands_alone_on_standard_output_and_works(corridor: Corridor, anna: Path) -> None:
    said = corridor("token", "create", "anna")
    token = said.out.strip()
    assert said.out == token + "\n"
    viewer = _viewer(anna, token)
    assert viewer.scopes == {"read", "write", "follow", "push"}
    assert viewer.roles == {"employee"}


def test_scopes_are_those_asked_for(corridor: Corridor, anna: Path) -> None:
    token = corridor("token", "create", "anna", "--scopes", "read:statuses").out.strip()
    assert _viewer(anna, token).scopes == {"read:statuses"}
    assert corridor("token", "create", "anna", "--scopes", "everything", status=1).err.startswith("corridor: scope")


def test_tokens_are_listed_without_the_token_and_revoked_by_number(corridor: Corridor, anna: Path) -> None:
    token = corridor("token", "create", "anna").out.strip()
    listed = corridor("token", "list", "anna", "--json")
    assert token not in listed.out
    assert token_hash(token) not in listed.out
    assert f"{listed.json[0]['id']:>8}  Command line" in corridor("token", "list", "anna").out
    corridor("token", "revoke", listed.json[0]["id"])
    assert corridor("token", "list", "anna", "--json").json == []
    with pytest.raises(Unauthorized):
        _viewer(anna, token)


def test_nobody_gets_no_token(corridor: Corridor, anna: Path) -> None:
    assert corridor("token", "create", "bob", status=1).out == ""
    assert corridor("token", "revoke", 4711, status=1).err


def _viewer(path: Path, token: str) -> Viewer:
    node = opened(path)
    try:
        return asyncio.run(node.read(auth.authenticate, token_hash(token)))
    finally:
        node.close()
