"""`corridor backup` and `corridor restore`: what was acknowledged is there, and nothing is ever overwritten."""

import asyncio
import gzip
import io
import json
import os
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select, text

from node import accounts, backup, posts
from node.accounts import NewAccount
from node.posts import Draft
from node.runtime import Node
from node.schema import meta, post
from node.secrets import SECRET_FILE
from node.viewer import Viewer, person
from tests.cli.conftest import Corridor, opened, settings_of
from tests.support.running import until


def test_a_backup_made_while_posts_arrive_holds_all_that_was_acknowledged_before(
    corridor: Corridor, eng: Path, tmp_path: Path, empty_database: Callable[[], str | None]
) -> None:
    acknowledged, before = asyncio.run(_post_during_backup(eng, tmp_path / "b.tar.gz"))
    assert len(acknowledged) > len(before) > 0
    home = tmp_path / "restored" / "corridor.toml"
    _restore(corridor, tmp_path / "b.tar.gz", home, empty_database())
    assert corridor("doctor", "--config", home, "--json").json["healthy"]
    kept = _posts(home)
    assert before <= kept <= acknowledged
    assert (home.parent / SECRET_FILE).read_bytes() == (eng.parent / SECRET_FILE).read_bytes()


def test_everything_comes_back_where_the_settings_say(
    corridor: Corridor, eng: Path, tmp_path: Path, empty_database: Callable[[], str | None]
) -> None:
    picture = "a" * 32 + ".png"
    (eng.parent / "media" / picture).write_bytes(b"\x89PNG")
    (eng.parent / "media" / ".upload.tmp").write_bytes(b"half")
    eng.write_text(eng.read_text() + "\n# a remark of ours\n")
    said = corridor("backup", tmp_path / "b.tar", "--json").json
    assert said["domain"] == "eng.example"
    home = tmp_path / "restored" / "corridor.toml"
    _restore(corridor, tmp_path / "b.tar", home, empty_database())
    assert (home.parent / "media" / picture).read_bytes() == b"\x89PNG"
    assert [path.name for path in (home.parent / "media").iterdir()] == [picture]
    assert "# a remark of ours" in home.read_text()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in home.parent.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "b.tar").stat().st_mode) == 0o600


def test_a_restored_node_knows_that_it_is_one_and_its_epoch_rises_each_time(
    corridor: Corridor, small: Path, tmp_path: Path
) -> None:
    corridor("backup", tmp_path / "1.tar")
    first = tmp_path / "first" / "corridor.toml"
    _restore(corridor, tmp_path / "1.tar", first)
    epoch = int(_meta(first)["epoch"])
    assert epoch >= int(time.time()) - 60
    assert int(_meta(first)["restored_at"]) <= time.time() * 1000
    node = opened(first)
    asyncio.run(
        node.write(lambda tx: tx.execute(text(f"UPDATE meta SET value = '{epoch + 10**6}' WHERE key = 'epoch'")))
    )
    node.close()
    corridor("backup", tmp_path / "2.tar", "--config", first)
    second = tmp_path / "second" / "corridor.toml"
    _restore(corridor, tmp_path / "2.tar", second)
    assert int(_meta(second)["epoch"]) == epoch + 10**6 + 1
    assert "epoch" not in _meta(small)


def test_a_backup_replaces_the_former_one_and_leaves_nothing_else(
    corridor: Corridor, small: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    corridor("backup", folder / "b.tar")
    first = (folder / "b.tar").read_bytes()
    corridor("account", "create", "anna", "--email", "a@b.example", "--password", "long enough by far")
    corridor("backup", folder / "b.tar")
    assert (folder / "b.tar").read_bytes() != first
    assert [path.name for path in folder.iterdir()] == ["b.tar"]


def test_a_backup_that_fails_leaves_the_former_one(corridor: Corridor, small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    corridor("backup", folder / "b.tar")
    first = (folder / "b.tar").read_bytes()
    (small.parent / SECRET_FILE).unlink()
    assert SECRET_FILE in corridor("backup", folder / "b.tar", status=1).err
    assert (folder / "b.tar").read_bytes() == first
    assert [path.name for path in folder.iterdir()] == ["b.tar"]


def test_a_damaged_database_is_not_backed_up(corridor: Corridor, small: Path, tmp_path: Path) -> None:
    file = small.parent / "corridor.db"
    with file.open("r+b") as raw:
        raw.seek(8 * 4096)
        raw.write(b"\xff" * 4096 * 20)
    assert "corridor.db" in corridor("backup", tmp_path / "b.tar", status=1).err
    assert not (tmp_path / "b.tar").exists()


def test_a_password_of_the_database_is_no_argument_that_others_see(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[str], dict[str, str]]] = []

    def run(command: list[str], env: dict[str, str], **_options: object) -> subprocess.CompletedProcess[str]:
        seen.append((command, env))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("subprocess.run", run)
    backup.call(["pg_dump"], "postgresql+psycopg://me:pa%20ss@127.0.0.1:5432/corridor")
    command, environment = seen[0]
    assert command == ["pg_dump", "--dbname=postgresql://me@127.0.0.1:5432/corridor"]
    assert environment["PGPASSWORD"] == "pa ss"


# --- what restore refuses


@pytest.fixture
def saved(corridor: Corridor, small: Path, tmp_path: Path) -> Path:
    corridor("backup", tmp_path / "saved.tar")
    return tmp_path / "saved.tar"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target" / "corridor.toml"


def test_a_folder_that_holds_something_is_left_alone(
    corridor: Corridor, saved: Path, target: Path, small: Path
) -> None:
    target.parent.mkdir()
    (target.parent / "note").write_text("x")
    assert "not an empty folder" in corridor("restore", saved, "--config", target, status=1).err
    assert [path.name for path in target.parent.iterdir()] == ["note"]
    before = small.read_bytes()
    corridor("restore", saved, "--config", small, status=1)
    assert small.read_bytes() == before


def test_a_database_that_is_there_is_not_replaced(
    corridor: Corridor, saved: Path, target: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    other.write_bytes(b"precious")
    words = ("restore", saved, "--config", target, "--database-url", f"sqlite:///{other}")
    assert "exists: nothing was restored" in corridor(*words, status=1).err
    assert other.read_bytes() == b"precious"
    assert not target.exists()
    corridor("restore", saved, "--config", target, "--database-url", f"sqlite:///{tmp_path}/new.db")
    assert settings_of(target).database_url == f"sqlite:///{tmp_path}/new.db"
    assert corridor("doctor", "--config", target, "--json").json["healthy"]


def test_a_backup_of_the_other_kind_of_database_is_refused(corridor: Corridor, saved: Path, target: Path) -> None:
    words = ("restore", saved, "--config", target, "--database-url", "postgresql+psycopg://x@127.0.0.1:1/x")
    assert "the backup is of a sqlite database" in corridor(*words, status=1).err
    assert not target.exists()


def _cut(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def _flip(raw: bytes) -> bytes:
    middle = raw.index(b"SQLite format 3") + 4096
    return raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :]


@pytest.mark.parametrize("harm", [_cut, _flip, lambda _raw: b"", lambda _raw: b"no tar at all" * 100])
def test_a_damaged_backup_is_refused_and_nothing_is_written(
    corridor: Corridor, saved: Path, target: Path, harm: Callable[[bytes], bytes]
) -> None:
    saved.write_bytes(harm(saved.read_bytes()))
    said = corridor("restore", saved, "--config", target, status=1)
    assert "CORRIDOR_DEBUG" not in said.err
    assert not target.parent.exists()


def test_a_compressed_backup_that_was_cut_off_is_refused(
    corridor: Corridor, small: Path, target: Path, tmp_path: Path
) -> None:
    corridor("backup", tmp_path / "b.tgz")
    whole = (tmp_path / "b.tgz").read_bytes()
    assert gzip.decompress(whole)
    (tmp_path / "b.tgz").write_bytes(whole[:-200])
    said = corridor("restore", tmp_path / "b.tgz", "--config", target, status=1)
    assert "CORRIDOR_DEBUG" not in said.err  # it is an error that was thought of
    assert not target.parent.exists()


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/evil", "media/../../evil", "media/.htaccess", "media/a/b", "corridor.toml.bak"]
)
def test_an_entry_that_leads_elsewhere_is_refused(corridor: Corridor, saved: Path, target: Path, name: str) -> None:
    _append(saved, tarfile.TarInfo(name), b"x")
    assert "which no backup of a node does" in corridor("restore", saved, "--config", target, status=1).err
    assert not target.parent.exists()


def test_links_are_refused(corridor: Corridor, saved: Path, target: Path) -> None:
    link = tarfile.TarInfo("media/" + "b" * 20 + ".png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    _append(saved, link, b"")
    assert "which no backup of a node does" in corridor("restore", saved, "--config", target, status=1).err


def test_a_file_that_the_manifest_does_not_name_is_refused(corridor: Corridor, saved: Path, target: Path) -> None:
    _append(saved, tarfile.TarInfo("media/" + "b" * 20 + ".png"), b"x")
    assert "not those of its manifest" in corridor("restore", saved, "--config", target, status=1).err
    assert not target.parent.exists()


def test_a_second_entry_of_the_same_name_is_refused(corridor: Corridor, saved: Path, target: Path) -> None:
    _append(saved, tarfile.TarInfo("secret.key"), b"x")
    assert "secret.key is in it twice" in corridor("restore", saved, "--config", target, status=1).err


def test_a_backup_of_a_later_format_is_refused(corridor: Corridor, saved: Path, target: Path) -> None:
    raw = saved.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        file = tar.extractfile("manifest.json")
        assert file is not None
        assert json.load(file)["format"] == 1
    saved.write_bytes(raw.replace(b'"format": 1', b'"format": 2'))
    assert "another release" in corridor("restore", saved, "--config", target, status=1).err


def _append(path: Path, info: tarfile.TarInfo, data: bytes) -> None:
    with tarfile.open(path, "a") as tar:
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))


# --- shared


@pytest.fixture
def empty_database(
    engine_name: str, tmp_path: Path, new_database_url: Callable[[str, Path], str]
) -> Callable[[], str | None]:
    """The URL of an empty PostgreSQL database; None on SQLite, where a new file does."""

    def make() -> str | None:
        if engine_name == "sqlite":
            return None
        url = new_database_url(engine_name, tmp_path)
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
        return url

    return make


def _restore(corridor: Corridor, file: Path, config: Path, database_url: str | None = None) -> None:
    words = () if database_url is None else ("--database-url", database_url)
    said = corridor("restore", file, "--config", config, *words)
    assert "eng.example as of 2" in said.out


async def _post_during_backup(path: Path, target: Path) -> tuple[set[int], set[int]]:
    """Posts that were acknowledged, and those among them before the backup began. The backup is a process of its own."""
    node = opened(path)
    acknowledged: set[int] = set()
    try:
        new = NewAccount(username="anna", email="a@b.example", password_hash="x")
        anna = person(await node.write(accounts.create, new))
        writing = asyncio.create_task(_write_on(node, anna, acknowledged))
        await until(_fifty(acknowledged), "fifty posts are written")
        before = set(acknowledged)
        command = [sys.executable, "-m", "web.cli.main", "backup", str(target), "--config", str(path)]
        process = await asyncio.create_subprocess_exec(*command, env=dict(os.environ))
        assert await process.wait() == 0
        writing.cancel()
        return acknowledged, before
    finally:
        node.close()


def _fifty(acknowledged: set[int]) -> Callable[[], Awaitable[bool]]:
    async def there() -> bool:
        return len(acknowledged) >= 50

    return there


async def _write_on(node: Node, anna: Viewer, acknowledged: set[int]) -> None:
    while True:
        acknowledged.add(await node.write_as(anna, posts.publish, Draft(f"number {len(acknowledged)}")))
        await asyncio.sleep(0.002)


def _posts(path: Path) -> set[int]:
    node = opened(path)
    try:
        return set(asyncio.run(node.read(lambda tx: tx.scalars(select(post.c.id)))))
    finally:
        node.close()


def _meta(path: Path) -> dict[str, str]:
    node = opened(path)
    try:
        return dict(asyncio.run(node.read(lambda tx: [tuple(row) for row in tx.rows(select(meta))])))
    finally:
        node.close()
