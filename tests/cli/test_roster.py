"""`corridor roster` and `corridor join`: a company from its founding to a removal, with the commands people type."""

import asyncio
import json
import shlex
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from activitypub import roster as rosters
from node import config, founding
from node.federation import company, joining
from node.schema import job
from tests.cli.conftest import Corridor, opened
from tests.support.rosters import DAY, identity

MakeNode = Callable[..., Path]


@pytest.fixture
def acme(corridor: Corridor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a company without nodes; commands find it by themselves."""
    monkeypatch.delenv("CORRIDOR_COMPANY_PASSPHRASE", raising=False)
    folder = tmp_path / "acme"
    corridor("roster", "init", folder, "--company", "Acme Ltd")
    monkeypatch.setenv("CORRIDOR_COMPANY_DIR", str(folder))
    return folder


@pytest.fixture
def add(corridor: Corridor, acme: Path) -> Callable[..., None]:
    """`add(config)` with the line that the node itself prints; or a made-up node, by its domain."""

    def put(node: Path | str) -> None:
        if isinstance(node, Path):
            words = shlex.split(corridor("roster", "identity", "--config", node).out)
        else:
            words = ["--domain", node, "--department", node, "--identity", identity(sum(node.encode()))]
        corridor("roster", "add", *words)

    return put


def sign(corridor: Corridor, *words: str) -> Any:
    return corridor("roster", "sign", "--json", *words).json


def held(path: Path) -> rosters.Roster | None:
    node = opened(path)
    try:
        return asyncio.run(node.read(company.held))
    finally:
        node.close()


# --- founding


def test_a_company_is_founded_in_an_empty_folder_for_its_owner_alone(corridor: Corridor, acme: Path) -> None:
    key = founding.draft_of(acme).key
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in acme.iterdir()}
    assert modes == {"company.json": 0o600, f"company-{key}.key": 0o600}
    assert stat.S_IMODE(acme.stat().st_mode) == 0o700
    assert "not an empty folder" in corridor("roster", "init", acme, "--company", "Other", status=1).err
    assert founding.draft_of(acme).company == "Acme Ltd"


@pytest.mark.parametrize(("name", "days"), [("", 1), ("x" * 201, 1), ("Acme", 0), ("Acme", 1099)])
def test_a_company_without_a_name_or_with_an_absurd_term_is_not_founded(
    corridor: Corridor, tmp_path: Path, name: str, days: int
) -> None:
    corridor("roster", "init", tmp_path / "c", "--company", name, "--days", days, status=1)
    assert not (tmp_path / "c").exists()


def test_a_key_with_a_passphrase_signs_with_that_passphrase_only(
    corridor: Corridor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORRIDOR_COMPANY_PASSPHRASE", "hush")
    monkeypatch.setenv("CORRIDOR_COMPANY_DIR", str(tmp_path / "c"))
    corridor("roster", "init", tmp_path / "c", "--company", "Acme")
    pem = founding.key_file(tmp_path / "c", founding.draft_of(tmp_path / "c").key).read_text()
    assert "ENCRYPTED" in pem
    corridor("roster", "add", "--domain", "a.example", "--department", "A", "--identity", identity(1))
    monkeypatch.setenv("CORRIDOR_COMPANY_PASSPHRASE", "guess")
    assert "wrong passphrase" in corridor("roster", "sign", status=1).err
    monkeypatch.delenv("CORRIDOR_COMPANY_PASSPHRASE")
    assert "is encrypted" in corridor("roster", "sign", status=1).err
    monkeypatch.setenv("CORRIDOR_COMPANY_PASSPHRASE", "hush")
    after = sign(corridor, "--next-key")["next_key"]
    assert "ENCRYPTED" in founding.key_file(tmp_path / "c", after).read_text()
    assert sign(corridor)["key"] == after


@pytest.mark.parametrize(
    "wrong",
    [
        {"--domain": "https://a.example"},
        {"--domain": "a b"},
        {"--identity": "z6Mk"},
        {"--department": " "},
        {"--role": "The Boss"},
    ],
    ids=str,
)
def test_a_node_that_cannot_stand_on_a_roster_is_not_put_on_the_list(
    corridor: Corridor, acme: Path, wrong: dict[str, str]
) -> None:
    line = {"--domain": "a.example", "--department": "A", "--identity": identity(1), "--role": "member"}
    corridor("roster", "add", *[word for pair in (line | wrong).items() for word in pair], status=1)
    assert founding.draft_of(acme).nodes == ()
    corridor("roster", "add", *[word for pair in line.items() for word in pair])
    assert [one.domain for one in founding.draft_of(acme).nodes] == ["a.example"]


def test_one_identity_stands_for_one_node_and_a_nodes_line_may_change(corridor: Corridor, acme: Path) -> None:
    corridor("roster", "add", "--domain", "a.example", "--department", "A", "--identity", identity(1))
    said = corridor("roster", "add", "--domain", "b.example", "--department", "B", "--identity", identity(1), status=1)
    assert "a.example has this identity key already" in said.err
    words = ("--domain", "A.example", "--department", "AA", "--identity", identity(2), "--role", "communications")
    assert "is changed" in corridor("roster", "add", *words).out
    assert [(one.department, one.roles) for one in founding.draft_of(acme).nodes] == [("AA", ("communications",))]


def test_signing_raises_the_version_and_invites_who_is_new(
    corridor: Corridor, acme: Path, add: Callable[..., None]
) -> None:
    assert "no node on the list" in corridor("roster", "sign", status=1).err
    add("a.example")
    add("b.example")
    first = sign(corridor)
    assert (first["version"], sorted(first["invitations"])) == (1, ["a.example", "b.example"])
    assert first["expires"] - first["issued"] == 365 * DAY
    add("c.example")
    corridor("roster", "remove", "a.example")
    second = sign(corridor, "--days", "30")
    assert (second["version"], list(second["invitations"]), second["removed"]) == (2, ["c.example"], ["a.example"])
    assert second["expires"] - second["issued"] == 30 * DAY
    shown = corridor("roster", "show", "--json").json
    assert [one["domain"] for one in shown["nodes"]] == ["b.example", "c.example"]
    assert "version 2" in corridor("roster", "show", acme / "roster.json").out
    line = (acme / "invitation.txt").read_text().strip()
    assert line == second["invitations"]["c.example"]
    assert "is not on the list" in corridor("roster", "remove", "a.example", status=1).err


def test_a_roster_that_somebody_changed_is_not_shown_as_one(
    corridor: Corridor, acme: Path, add: Callable[..., None]
) -> None:
    add("a.example")
    sign(corridor)
    path = acme / "roster.json"
    path.write_text(path.read_text().replace('"version":1', '"version":2'))
    assert "does not hold" in corridor("roster", "show", status=1).err
    assert "does not hold" in corridor("roster", "sign", status=1).err


def test_the_next_key_signs_the_next_roster_and_the_old_one_is_told_to_go(
    corridor: Corridor, acme: Path, add: Callable[..., None]
) -> None:
    add("a.example")
    first = sign(corridor, "--next-key")
    assert first["key"] != first["next_key"]
    second = corridor("roster", "sign").out
    assert f"delete {founding.key_file(acme, first['key'])}" in second
    founding.key_file(acme, first["key"]).unlink()
    third = sign(corridor)
    assert (third["version"], third["key"], third["next_key"]) == (3, first["next_key"], None)


# --- joining


def test_a_node_joins_with_its_invitation_and_its_settings_say_so(
    corridor: Corridor, eng: Path, acme: Path, add: Callable[..., None]
) -> None:
    add(eng)
    add("sales.example")
    signed = sign(corridor)
    remark = "# ours"
    eng.write_text(eng.read_text() + f"\n{remark}\n")
    said = corridor("join", signed["invitations"]["eng.example"], "--json").json
    assert said == {
        "company": "Acme Ltd",
        "version": 1,
        "nodes": 2,
        "listed": True,
        "new": True,
        "restart": False,
    }
    settings = config.load(eng, {})
    assert (settings.company.key, settings.federation.mode) == (signed["key"], "roster")
    assert remark in eng.read_text()
    assert stat.S_IMODE(eng.stat().st_mode) == 0o600
    roster = held(eng)
    assert roster is not None
    assert roster.version == 1
    assert _jobs(eng) == [company.ANNOUNCE_JOB]
    found = {one["check"]: one for one in corridor("doctor", "--json").json["checks"]}
    assert found["company"]["message"] == "one of Acme Ltd: version 1 of the roster, 1 other nodes"
    before = eng.read_text()
    assert "Nothing new" in corridor("join", acme / "invitation.txt").out
    assert eng.read_text() == before


def test_joining_again_brings_a_newer_roster_also_one_without_this_node(
    corridor: Corridor, eng: Path, acme: Path, add: Callable[..., None]
) -> None:
    add(eng)
    add("sales.example")
    sign(corridor)
    corridor("join", acme / "invitation.txt")
    add("lab.example")
    sign(corridor)
    assert "version 2" in corridor("join", acme / "invitation.txt").out
    corridor("roster", "remove", "eng.example")
    sign(corridor)
    assert "does not list this node" in corridor("join", acme / "invitation.txt").out
    found = corridor("doctor", "--json", status=1).json["checks"]
    assert [one["message"] for one in found if one["state"] == "fault"] == [
        "version 3 of the roster does not list this node: no peer is dealt with"
    ]


def test_a_node_that_is_not_listed_is_told_what_to_send(
    corridor: Corridor, eng: Path, acme: Path, add: Callable[..., None]
) -> None:
    add("sales.example")
    sign(corridor)
    said = corridor("join", acme / "invitation.txt", status=1).err
    assert "does not list eng.example" in said
    assert corridor("roster", "identity").out.strip() in said
    assert held(eng) is None
    assert "[company]" not in eng.read_text()
    assert _jobs(eng) == []


def test_a_node_that_is_listed_with_another_identity_is_told_both(corridor: Corridor, eng: Path, acme: Path) -> None:
    corridor("roster", "add", "--domain", "eng.example", "--department", "Eng", "--identity", identity(5))
    sign(corridor)
    said = corridor("join", acme / "invitation.txt", status=1).err
    own = shlex.split(corridor("roster", "identity").out)[-1]
    assert identity(5) in said
    assert own in said
    assert held(eng) is None


def test_a_node_of_one_company_does_not_join_another_until_its_administrator_says_so(
    corridor: Corridor, eng: Path, acme: Path, add: Callable[..., None], tmp_path: Path
) -> None:
    add(eng)
    sign(corridor)
    corridor("join", acme / "invitation.txt")
    other = tmp_path / "other"
    corridor("roster", "init", other, "--company", "Other")
    corridor("roster", "add", "--dir", other, *shlex.split(corridor("roster", "identity").out))
    line = corridor("roster", "sign", "--dir", other, "--json").json["invitations"]["eng.example"]
    before = eng.read_text()
    assert "belongs to the company whose key is" in corridor("join", line, status=1).err
    assert eng.read_text() == before
    eng.write_text("\n".join(one for one in before.splitlines() if not one.startswith("key = ")) + "\n")
    corridor("join", line)
    roster = held(eng)
    assert roster is not None
    assert roster.company == "Other"
    assert config.load(eng, {}).company.key == founding.draft_of(other).key


@pytest.mark.parametrize("said", ["corridor-join:", "no-such-file", "", "corridor-join:deadbeefAAAA"])
def test_what_is_no_invitation_changes_nothing(corridor: Corridor, small: Path, said: str) -> None:
    before = small.read_text()
    assert corridor("join", said, status=1).err
    assert small.read_text() == before


def test_a_node_in_another_mode_is_moved_to_the_roster_and_its_server_must_start_anew(
    corridor: Corridor, small: Path, acme: Path, add: Callable[..., None]
) -> None:
    small.write_text(small.read_text().replace('mode = "roster"', 'mode = "allowlist"'))
    add(small)
    sign(corridor)
    assert "restart the server" in corridor("join", acme / "invitation.txt").out
    assert config.load(small, {}).federation.mode == "roster"
    roster = held(small)
    assert roster is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"company": {"key": "x"}}),
        ('[company]\nkey = "old"\n', {"company": {"key": "x"}}),
        ("[company]\n\n[node]\nkey = 1\n", {"company": {"key": "x"}, "node": {"key": 1}}),
        ('[node]\nkey = 1\n[company]\nremoved_content = "remove"\nkey="" # y\n', {
            "node": {"key": 1}, "company": {"removed_content": "remove", "key": "x"},
        }),
        ('# key = "no"\n[company] # here\nkeys = 1\n', {"company": {"keys": 1, "key": "x"}}),
    ],
)  # fmt: skip
def test_a_setting_is_written_where_it_belongs(text: str, expected: dict[str, Any]) -> None:
    assert tomllib.loads(config.with_value(text, "company", "key", "x")) == expected


def test_a_file_that_cannot_be_changed_safely_is_left_alone(small: Path) -> None:
    text = 'company = {removed_content = "keep"}\n' + small.read_text()
    small.write_text(text)
    with pytest.raises(config.ConfigError, match="by hand"):
        joining._write_settings(small, {("company", "key"): "x"})
    assert small.read_text() == text


def test_peers_are_listed_with_what_the_roster_says_of_them(
    corridor: Corridor, eng: Path, acme: Path, add: Callable[..., None]
) -> None:
    add(eng)
    add("sales.example")
    sign(corridor)
    corridor("join", acme / "invitation.txt")
    corridor("peers", "block", "sales.example")
    corridor("peers", "block", "evil.example")
    found = corridor("peers", "list", "--json").json
    assert {one["domain"]: (one["department"], one["roles"]) for one in found} == {
        "evil.example": (None, []),
        "sales.example": ("sales.example", ["member"]),
    }
    assert "on the roster: sales.example (member)" in corridor("peers", "list").out


def _jobs(path: Path) -> list[str]:
    node = opened(path)
    try:
        return asyncio.run(
            node.read(lambda tx: sorted(row.kind for row in tx.rows(job.select()) if "roster" in row.kind))
        )
    finally:
        node.close()


def test_data_is_json(corridor: Corridor, small: Path) -> None:
    line = corridor("roster", "identity", "--json").json["line"]
    assert json.loads(json.dumps(line)).startswith("--domain eng.example --department Eng --identity z6Mk")
