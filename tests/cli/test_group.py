"""`corridor group`, and what other commands make of groups."""

import json
from pathlib import Path

from tests.cli.conftest import Corridor
from tests.cli.test_account import create as create_account
from tests.support.companies import company


def test_a_group_is_made_listed_handed_over_and_deleted(corridor: Corridor, eng: Path) -> None:
    for name in ("anna", "tom"):
        create_account(corridor, name)
    made = corridor(
        "group", "create", "pumps", "--moderator", "anna", "--display-name", "All pumps", "--hidden", "--json"
    )
    assert (made.json["name"], made.json["moderators"], made.json["members"], made.json["hidden"]) == (
        "pumps",
        ["anna"],
        1,
        True,
    )
    assert corridor("group", "list").out.endswith("1 groups\n")
    corridor("group", "moderator", "pumps", "tom")
    corridor("group", "moderator", "pumps", "anna", "--remove")
    (listed,) = corridor("group", "list", "--json").json
    assert (listed["moderators"], listed["members"]) == (["tom"], 2)
    assert [one["name"] for one in corridor("account", "list", "--json").json] == ["anna", "tom"]
    corridor("group", "delete", "pumps", status=2)
    corridor("group", "delete", "pumps", "--yes")
    assert corridor("group", "list", "--json").json == []


def test_what_cannot_be_a_group_is_refused_in_one_line(corridor: Corridor, small: Path) -> None:
    create_account(corridor, "anna")
    assert "taken" in corridor("group", "create", "anna", "--moderator", "anna", status=1).err
    assert "\n" not in corridor("group", "create", "pumps", "--moderator", "nobody", status=1).err.strip()
    corridor("group", "create", "pumps", status=2)
    assert "no group" in corridor("group", "delete", "anna", "--yes", status=1).err
    assert corridor("group", "list", "--json").json == []


def test_an_export_holds_groups_and_the_doctor_is_content(corridor: Corridor, eng: Path, tmp_path: Path) -> None:
    create_account(corridor, "anna")
    corridor("group", "create", "pumps", "--moderator", "anna", "--moderators-only")
    corridor("export", tmp_path / "out")
    lines = [json.loads(one) for one in (tmp_path / "out" / "accounts.jsonl").read_text().splitlines()]
    assert [one.get("group") for one in lines] == [
        None,
        {"posting": "moderators", "hidden": False, "moderators": ["anna"]},
    ]
    follows = [json.loads(one) for one in (tmp_path / "out" / "follows.jsonl").read_text().splitlines()]
    assert [(one["follower"], one["target"]) for one in follows] == [("anna", "pumps")]
    checks = corridor("doctor", "--json").json["checks"]
    assert not [one for one in checks if one["state"] == "fault"]


def test_nothing_is_imported_in_the_name_of_a_group(corridor: Corridor, small: Path, tmp_path: Path) -> None:
    file = company(posts=3).write(tmp_path / "in.jsonl")
    author = json.loads(file.read_text().splitlines()[0])["author"]
    create_account(corridor, "looker")
    corridor("group", "create", author, "--moderator", "looker")
    said = corridor("import", file, "--json").json
    assert said["stored"]["posts"] < 3
