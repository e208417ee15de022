"""`corridor init`."""

import stat
from pathlib import Path

from node import config
from tests.cli.conftest import Corridor

WORDS = ("--domain", "eng.example.com", "--department", "Engineering")


def test_a_new_node_is_healthy_and_closed_to_others(corridor: Corridor, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "node"
    said = corridor("init", folder, *WORDS, "--json").json
    settings = config.load(Path(said["config"]))
    assert (settings.node.domain, settings.node.department) == ("eng.example.com", "Engineering")
    assert settings.base == "https://eng.example.com"
    assert corridor("doctor", "--config", said["config"], "--json").json["healthy"]
    assert _mode(folder) == 0o700
    assert {path.name: _mode(path) for path in folder.iterdir() if path.suffix in (".toml", ".key")} == {
        "corridor.toml": 0o600,
        "secret.key": 0o600,
    }


def test_a_folder_that_holds_something_is_left_alone(corridor: Corridor, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    said = corridor("init", tmp_path / "mine", *WORDS, status=1)
    assert "not an empty folder" in said.err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_second_init_does_not_touch_the_first(corridor: Corridor, tmp_path: Path) -> None:
    corridor("init", tmp_path / "n", *WORDS)
    before = (tmp_path / "n" / "secret.key").read_bytes()
    corridor("init", tmp_path / "n", *WORDS, status=1)
    assert (tmp_path / "n" / "secret.key").read_bytes() == before


def test_a_domain_that_is_none_is_refused_before_anything_is_written(corridor: Corridor, tmp_path: Path) -> None:
    for domain in ("https://eng.example.com", "eng example", "eng.example.com/x", "anna@eng.example.com", ""):
        said = corridor("init", tmp_path / "n", "--domain", domain, "--department", "E", status=1)
        assert "node.domain" in said.err
    assert "node.department" in corridor("init", tmp_path / "n", "--domain", "a.b", "--department", " ", status=1).err
    assert not (tmp_path / "n").exists()


def test_quotes_and_lines_in_a_name_stay_in_the_name(corridor: Corridor, tmp_path: Path) -> None:
    name = 'R"&D\\ [server]\nhost = "0.0.0.0"'
    corridor("init", tmp_path / "n", "--domain", "a.example", "--department", name)
    settings = config.load(tmp_path / "n" / "corridor.toml")
    assert settings.node.department == name
    assert settings.server.host == "127.0.0.1"


def test_dev_settings_are_served_on_loopback_alone(corridor: Corridor, tmp_path: Path) -> None:
    corridor("init", tmp_path / "n", "--domain", "localhost:8123", "--department", "E", "--dev")
    path = tmp_path / "n" / "corridor.toml"
    settings = config.load(path)
    assert settings.base == "http://localhost:8123"
    assert settings.server.port == 8123
    assert settings.federation.mode == "open"
    assert settings.federation.allow_loopback
    assert settings.accounts.registration == "open"
    assert settings.mail.transport == "file"
    said = corridor("serve", "--config", path, "--host", "0.0.0.0", status=1)
    assert 'refusing to serve on 0.0.0.0 with node.scheme = "http"' in said.err


def test_what_init_writes_for_production_is_safe(corridor: Corridor, tmp_path: Path) -> None:
    corridor("init", tmp_path / "n", *WORDS)
    settings = config.load(tmp_path / "n" / "corridor.toml")
    config.refuse_unsafe(settings, "0.0.0.0")
    assert settings.federation.mode == "roster"
    assert settings.accounts.registration == "closed"
    assert not settings.federation.allow_loopback


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
