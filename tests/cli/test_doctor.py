"""`corridor doctor` finds each fault, names it and says what to do; and finds nothing in a node that has none."""

import asyncio
import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert, text, update

from node import accounts, db, keyring, posts
from node.accounts import NewAccount
from node.doctor import State
from node.federation import reach
from node.posts import Draft
from node.runtime import Tx
from node.schema import account_key, activity, audit_entry, delivery, job, peer
from node.secrets import SECRET_FILE, create_secret
from node.viewer import person
from tests.cli.conftest import Corridor, opened, settings_of, use_database
from tests.cli.test_migrate import set_revision
from tests.conftest import make_settings

FUTURE = 3 * 3_600_000 + 60_000


def checks(corridor: Corridor, *, healthy: bool) -> dict[str, dict[str, str]]:
    """The worst finding of each check."""
    said = corridor("doctor", "--json", status=0 if healthy else 1).json
    assert said["healthy"] is healthy
    worst: dict[str, dict[str, str]] = {}
    for found in sorted(said["checks"], key=lambda one: ("ok", "warn", "fault").index(one["state"])):
        worst[found["check"]] = found
    return worst


def the_fault(corridor: Corridor) -> dict[str, str]:
    """The one check that has a fault."""
    faults = [found for found in checks(corridor, healthy=False).values() if found["state"] == "fault"]
    assert len(faults) == 1
    assert faults[0]["advice"]
    return faults[0]


def test_a_new_node_has_every_check_and_no_fault(corridor: Corridor, eng: Path) -> None:
    found = checks(corridor, healthy=True)
    assert set(found) == {
        *("settings", "files", "secret", "disk", "schema", "identity", "keys", "integrity", "clock", "search"),
        *("queues", "deliveries", "backup", "company"),
    }
    warned = {name for name, one in found.items() if one["state"] == "warn"}
    assert warned == {"company", "backup"}  # it has joined no company and has no backup yet
    text = corridor("doctor").out
    assert text.endswith("The node is healthy.\n")
    assert "ok     secret: " in text


def test_the_fault_is_written_in_capitals_with_what_to_do(corridor: Corridor, small: Path) -> None:
    (small.parent / SECRET_FILE).unlink()
    text = corridor("doctor", status=1).out
    assert "FAULT  secret: " in text
    assert "bring secret.key back from a backup" in text
    assert text.endswith("The node is not healthy.\n")


# --- keys


def test_another_secret_is_found(corridor: Corridor, eng: Path) -> None:
    (eng.parent / SECRET_FILE).unlink()
    create_secret(eng.parent)
    found = checks(corridor, healthy=False)
    assert found["secret"]["state"] == "ok"
    assert found["keys"]["state"] == "fault"
    assert "opens 0 of 3 keys" in found["keys"]["message"]
    assert found["identity"]["state"] == "fault"
    assert "secret.key" in found["identity"]["advice"]


def test_a_secret_that_is_none_is_found(corridor: Corridor, small: Path) -> None:
    (small.parent / SECRET_FILE).write_text("not hexadecimal")
    assert the_fault(corridor)["check"] == "secret"


def test_a_public_key_that_does_not_belong_to_the_private_one_is_found(corridor: Corridor, eng: Path) -> None:
    other = keyring.generate()[1].public
    _write(eng, lambda tx: tx.execute(update(account_key).where(account_key.c.kind == "ed25519").values(public=other)))
    fault = the_fault(corridor)
    assert fault["check"] == "identity"
    assert "do not match" in fault["message"]


def test_a_damaged_key_is_found(corridor: Corridor, eng: Path) -> None:
    _write(eng, lambda tx: tx.execute(update(account_key).where(account_key.c.kind == "rsa").values(private=b"x" * 40)))
    found = checks(corridor, healthy=False)
    assert "opens 2 of 3 keys" in found["keys"]["message"]
    assert "https://eng.example/actor#main-key" in found["keys"]["message"]


def test_a_database_of_another_domain_is_found(corridor: Corridor, eng: Path) -> None:
    eng.write_text(eng.read_text().replace("eng.example", "sales.example"))
    fault = the_fault(corridor)
    assert fault["check"] == "identity"
    assert "belongs to https://eng.example/actor" in fault["message"]


# --- schema and database


def test_a_missing_migration_is_found(corridor: Corridor, eng: Path) -> None:
    set_revision(eng, "0000")
    fault = the_fault(corridor)
    assert fault["check"] == "schema"
    assert "corridor migrate" in fault["advice"]


def test_an_empty_database_is_told_to_migrate(corridor: Corridor, small: Path) -> None:
    use_database(small, "sqlite:///other.db")
    (small.parent / "other.db").touch()
    fault = the_fault(corridor)
    assert fault["check"] == "schema"
    assert "no tables" in fault["message"]


def test_a_missing_database_is_found_and_not_made(corridor: Corridor, small: Path) -> None:
    (small.parent / "corridor.db").unlink()
    fault = the_fault(corridor)
    assert fault["check"] == "schema"
    assert "there is no database file" in fault["message"]
    assert not (small.parent / "corridor.db").exists()


def test_a_database_server_that_does_not_answer_is_found(corridor: Corridor, small: Path) -> None:
    use_database(small, "postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert the_fault(corridor)["check"] == "database"


@pytest.mark.parametrize("place", [0.01, 0.2, 0.35, 0.5, 0.65, 0.8])
def test_a_damaged_database_file_is_found(corridor: Corridor, small: Path, place: float) -> None:
    """Pages are overwritten, as a failing disk does: of the schema, of its revision, of rows, wherever that is."""
    file = small.parent / "corridor.db"
    _write(small, lambda tx: [tx.audit("x" * 60, "y" * 3000) for _ in range(200)])
    engine = db.sqlite_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    with file.open("r+b") as raw:
        raw.seek(int(file.stat().st_size * place) // 4096 * 4096)
        raw.write(b"\xff" * 40_960)
    found = checks(corridor, healthy=False)
    assert found["integrity"]["state"] == "fault"
    assert "restore" in found["integrity"]["advice"]


def test_rows_that_point_at_nothing_are_found(corridor: Corridor, small: Path) -> None:
    engine = db.sqlite_engine(settings_of(small).database_url)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.execute(text("INSERT INTO mention (post_id, account_id) VALUES (1, 1)"))
    engine.dispose()
    fault = the_fault(corridor)
    assert fault["check"] == "integrity"
    assert "mention" in fault["message"]


# --- clock


def test_a_clock_behind_the_newest_post_is_found(corridor: Corridor, eng: Path) -> None:
    _publish(eng, at=time.time() + FUTURE / 1000)
    fault = the_fault(corridor)
    assert fault["check"] == "clock"
    assert fault["message"].startswith("the clock is 3 h ")
    assert "behind the newest" in fault["message"]


def test_a_clock_behind_the_audit_log_is_found(corridor: Corridor, eng: Path) -> None:
    at = int(time.time() * 1000) + FUTURE
    row = {"at": at, "actor": "system", "action": "x", "target": "y", "detail": {}}
    _write(eng, lambda tx: tx.execute(insert(audit_entry), row))
    assert "behind the newest line of the audit log" in the_fault(corridor)["message"]


def test_a_clock_that_goes_right_is_not_complained_of(corridor: Corridor, eng: Path) -> None:
    _publish(eng, at=time.time())
    assert checks(corridor, healthy=True)["clock"]["state"] == "ok"


# --- files, disk, settings


def test_a_secret_that_others_can_read_is_found(corridor: Corridor, small: Path) -> None:
    (small.parent / SECRET_FILE).chmod(0o644)
    fault = the_fault(corridor)
    assert fault["check"] == "files"
    assert fault["advice"] == f"chmod 600 {small.parent / SECRET_FILE}"


def test_settings_that_others_can_read_are_a_warning_unless_the_folder_is_closed(
    corridor: Corridor, small: Path
) -> None:
    small.chmod(0o644)
    assert checks(corridor, healthy=True)["files"]["state"] == "ok"
    small.parent.chmod(0o755)
    assert checks(corridor, healthy=True)["files"]["state"] == "warn"


def test_a_missing_media_folder_is_found(corridor: Corridor, small: Path) -> None:
    shutil.rmtree(small.parent / "media")
    fault = the_fault(corridor)
    assert (fault["check"], fault["advice"]) == ("files", f"mkdir -m 700 {small.parent / 'media'}")


@pytest.mark.parametrize(("free", "state"), [(50, "fault"), (500, "warn"), (500_000, "ok")])
def test_a_disk_that_fills_up_is_found(
    corridor: Corridor, small: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    usage = SimpleNamespace(total=10**12, free=free * 1024 * 1024)
    monkeypatch.setattr("shutil.disk_usage", lambda _place: usage)
    assert checks(corridor, healthy=state != "fault")["disk"]["state"] == state


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('[node]\ndomain = "x"\nanswer = 42', "answer"),
        ("this is not TOML", "corridor.toml"),
        ('[federation]\nmode = "friends"', "federation.mode"),
    ],
)
def test_settings_that_cannot_be_used_are_found(corridor: Corridor, small: Path, line: str, message: str) -> None:
    small.write_text(line)
    fault = the_fault(corridor)
    assert fault["check"] == "settings"
    assert message in fault["message"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FEDERATION__ALLOWLIST", '["https://sales.example/"]'),
        ("NODE__SCHEME", "http"),
        ("MAIL__TRANSPORT", "smtp"),
    ],
)
def test_doubtful_settings_are_found(
    corridor: Corridor, small: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"CORRIDOR_{name}", value)
    monkeypatch.setenv("CORRIDOR_SERVER__HOST", "0.0.0.0")
    found = checks(corridor, healthy=False)["settings"]
    assert found["state"] == "fault"


# --- peers that are listed


@pytest.mark.parametrize(
    ("peer", "entry", "reason"),
    [
        ("sales.example:8443", "sales.example:8443", "port 8443 is not open to us"),
        ("10.1.2.3", "10.1.2.3:443", "10.1.2.3 is not open to us"),
        ("localhost", "localhost:443", "is neither a public address nor that of a listed peer"),
    ],
)
def test_a_listed_peer_at_a_private_address_or_an_odd_port_is_found_until_it_is_a_private_peer_too(
    corridor: Corridor, small: Path, monkeypatch: pytest.MonkeyPatch, peer: str, entry: str, reason: str
) -> None:
    monkeypatch.setenv("CORRIDOR_FEDERATION__MODE", "allowlist")
    monkeypatch.setenv("CORRIDOR_FEDERATION__ALLOWLIST", json.dumps(["8.8.8.8", peer, "eng.example"]))
    fault = the_fault(corridor)
    assert fault["check"] == "peers"
    assert reason in fault["message"]
    assert f'add "{entry}" to federation.private_peers' in fault["advice"]
    monkeypatch.setenv("CORRIDOR_FEDERATION__MODE", "off")
    assert "peers" not in checks(corridor, healthy=True)
    monkeypatch.setenv("CORRIDOR_FEDERATION__MODE", "allowlist")
    monkeypatch.setenv("CORRIDOR_FEDERATION__PRIVATE_PEERS", json.dumps([entry]))
    if peer == "sales.example:8443":
        return  # the rest would ask a name server
    found = checks(corridor, healthy=True)["peers"]
    assert (found["state"], found["message"]) == ("ok", "nothing of ours bars the way to the peers listed (2)")


async def test_the_names_of_listed_peers_are_looked_up(tmp_path: Path) -> None:
    addresses = {"sales.example": ["10.0.0.7"], "field.example": ["8.8.8.8"], "metadata.example": ["169.254.169.254"]}

    async def lookup(host: str, port: int) -> list[str]:
        if host not in addresses:
            raise OSError("no such name")
        return addresses[host]

    listed = {"mode": "allowlist", "allowlist": [*addresses, "new.example"], "private_peers": ["metadata.example:*"]}
    found = await reach.of_allowlist(make_settings(tmp_path, federation=listed), lookup=lookup)
    assert [(one.state, one.message.split()[0]) for one in found] == [
        (State.FAULT, "metadata.example:443"),
        (State.FAULT, "sales.example:443"),
    ]
    assert found[0].advice.startswith("no peer can have such an address")
    assert 'add "sales.example:443" to federation.private_peers' in found[1].advice


async def test_name_servers_that_do_not_answer_do_not_hold_up_the_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lookup(host: str, port: int) -> list[str]:
        if host == "sales.example":
            return ["10.0.0.7"]
        return await asyncio.Future()

    monkeypatch.setattr(reach, "LOOKUP_SECONDS", 0.2)
    settings = make_settings(tmp_path, federation={"mode": "allowlist", "allowlist": ["slow.example", "sales.example"]})
    found = await reach.of_allowlist(settings, lookup=lookup)
    assert sorted(one.state.value for one in found) == ["fault", "warn"]


def test_private_peers_that_cannot_be_read_are_found(
    corridor: Corridor, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORRIDOR_FEDERATION__PRIVATE_PEERS", '["sales.example"]')
    fault = the_fault(corridor)
    assert fault["check"] == "peers"
    reason = "federation.private_peers: 'sales.example' is not \"host:port\""
    assert reason in fault["message"]
    assert reason in corridor("peers", "test", "sales.example", status=1).err


# --- search, queues, deliveries, backups


def test_posts_that_search_does_not_find_are_found_and_repaired(corridor: Corridor, eng: Path) -> None:
    _publish(eng, "the pump leaks", "!!! ???", at=time.time())
    assert checks(corridor, healthy=True)["search"]["state"] == "ok"
    _write(eng, lambda tx: tx.execute(text("DELETE FROM post_search")))
    found = checks(corridor, healthy=True)["search"]
    assert found["state"] == "warn"
    assert found["message"].startswith("search misses 1 posts")
    assert "1 posts were added" in corridor("doctor", "--repair").err
    assert checks(corridor, healthy=True)["search"]["state"] == "ok"


def test_people_whom_search_does_not_find_are_found_and_repaired(corridor: Corridor, eng: Path) -> None:
    corridor("account", "create", "anna", "--email", "anna@example.org", "--password", "long enough, surely")
    _write(eng, lambda tx: tx.execute(text("DELETE FROM account_search")))
    found = checks(corridor, healthy=True)["search"]
    assert found["state"] == "warn"
    assert "misses 0 posts and 1 people" in found["message"]
    corridor("doctor", "--repair")
    assert checks(corridor, healthy=True)["search"]["state"] == "ok"


def test_what_search_still_knows_of_deleted_posts_is_found_and_repaired(corridor: Corridor, small: Path) -> None:
    _write(small, lambda tx: tx.execute(text("INSERT INTO post_search (rowid, tokens) VALUES (7, 'gone')")))
    assert "knows 1 posts that are gone" in checks(corridor, healthy=True)["search"]["message"]
    corridor("doctor", "--repair")
    assert checks(corridor, healthy=True)["search"]["state"] == "ok"


def test_a_queue_that_nobody_works_off_and_failed_jobs_are_found(corridor: Corridor, eng: Path) -> None:
    long_ago = int(time.time() * 1000) - 3_600_000
    row = {"kind": "x", "payload": {}, "run_at": long_ago}
    _write(eng, lambda tx: tx.execute(insert(job), row))
    found = checks(corridor, healthy=True)["queues"]
    assert found["state"] == "warn"
    assert "jobs wait for 1 h" in found["message"]
    _write(eng, lambda tx: tx.execute(update(job).values(failed_at=long_ago, last_error="no such thing")))
    assert "given up; the last: no such thing" in checks(corridor, healthy=True)["queues"]["message"]


def test_a_peer_that_is_held_back_is_named(corridor: Corridor, eng: Path) -> None:
    now = int(time.time() * 1000)
    row = {"domain": "sales.example", "created_at": now, "failures": 4, "next_attempt_at": now, "last_error": "refused"}
    _write(eng, lambda tx: tx.execute(insert(peer), row))
    found = checks(corridor, healthy=True)["deliveries"]
    assert found["state"] == "warn"
    assert "sales.example; last error: refused" in found["message"]


def test_deliveries_that_are_due_and_not_sent_are_found(corridor: Corridor, eng: Path) -> None:
    long_ago = int(time.time() * 1000) - 3_600_000
    _write(eng, lambda tx: _due(tx, long_ago))
    found = checks(corridor, healthy=True)["deliveries"]
    assert found["state"] == "warn"
    assert "due for 1 h" in found["message"]


def test_the_last_backup_is_told_and_an_old_one_warned_of(corridor: Corridor, eng: Path, tmp_path: Path) -> None:
    assert "never" in checks(corridor, healthy=True)["backup"]["message"]
    corridor("backup", tmp_path / "b.tar")
    assert checks(corridor, healthy=True)["backup"]["state"] == "ok"
    month = int(time.time() * 1000) - 30 * 86_400_000
    _write(eng, lambda tx: tx.execute(text(f"UPDATE meta SET value = '{month}' WHERE key = 'backup_at'")))
    assert "30 d old" in checks(corridor, healthy=True)["backup"]["message"]


def _write(path: Path, rule: Any) -> None:
    node = opened(path)
    try:
        asyncio.run(node.write(rule))
    finally:
        node.close()


def _publish(path: Path, *texts: str, at: float) -> None:
    """Posts by Anna at a time of her own."""
    node = opened(path)
    node.clock = lambda: at

    async def write() -> None:
        anna = person(
            await node.write(accounts.create, NewAccount(username="anna", email="a@b.example", password_hash="x"))
        )
        for written in texts or ("hello",):
            await node.write_as(anna, posts.publish, Draft(written))

    try:
        asyncio.run(write())
    finally:
        node.close()


def _due(tx: Tx, at: int) -> None:
    actor = accounts.node_actor(tx)
    peer_id = tx.scalar(insert(peer).returning(peer.c.id), {"domain": "sales.example", "created_at": at})
    values = {
        "id": 1,
        "iri": "https://eng.example/a",
        "actor_id": actor.id,
        "kind": "Follow",
        "body": b"",
        "created_at": at,
    }
    tx.execute(insert(activity), values)
    sent = {"activity_id": 1, "peer_id": peer_id, "inbox": "https://sales.example/inbox", "ordering_key": "x"}
    tx.execute(insert(delivery), sent | {"next_at": at, "expires_at": at + 10**9})
