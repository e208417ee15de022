"""`corridor emoji`."""

import json
import tarfile
from pathlib import Path

from tests.cli.conftest import Corridor, settings_of
from tests.support.pictures import moving_gif, png


def test_an_emoji_is_added_listed_disabled_and_removed(corridor: Corridor, eng: Path, tmp_path: Path) -> None:
    (tmp_path / "pump.gif").write_bytes(moving_gif())
    corridor("emoji", "add", "pump", tmp_path / "pump.gif", "--category", "Machines")
    (tmp_path / "pump.png").write_bytes(png())
    corridor("emoji", "add", "valve", tmp_path / "pump.png")
    assert [(one["shortcode"], one["category"], one["state"]) for one in corridor("emoji", "list", "--json").json] == [
        ("pump", "Machines", "shown"),
        ("valve", None, "shown"),
    ]
    kept = [path.suffix for path in settings_of(eng).media_dir.iterdir()]
    assert sorted(kept) == [".gif", ".jpg", ".png"]
    corridor("emoji", "disable", ":pump:")
    assert "disabled" in corridor("emoji", "list").out
    corridor("emoji", "enable", "pump")
    corridor("emoji", "remove", "pump")
    assert [one["shortcode"] for one in corridor("emoji", "list", "--json").json] == ["valve"]


def test_what_cannot_be_one_is_refused_and_leaves_no_file(corridor: Corridor, small: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.svg").write_text("<svg/>")
    (tmp_path / "large.png").write_bytes(png() + b" " * 300_000)
    (tmp_path / "good.png").write_bytes(png())
    assert corridor("emoji", "add", "pump", tmp_path / "bad.svg", status=1).err
    assert corridor("emoji", "add", "pump", tmp_path / "large.png", status=1).err
    assert corridor("emoji", "add", "p-u", tmp_path / "good.png", status=1).err
    assert corridor("emoji", "remove", "pump", status=1).err.startswith("corridor: There is no emoji pump")
    assert corridor("emoji", "disable", "pump@field.example", status=1).err
    assert list(settings_of(small).media_dir.iterdir()) == []


def test_an_export_and_a_backup_have_the_emoji_of_this_node(corridor: Corridor, small: Path, tmp_path: Path) -> None:
    (tmp_path / "pump.gif").write_bytes(moving_gif())
    corridor("emoji", "add", "pump", tmp_path / "pump.gif")
    kept = {path.name for path in settings_of(small).media_dir.iterdir()}
    corridor("export", tmp_path / "out")
    line = json.loads((tmp_path / "out" / "emoji.jsonl").read_text())
    assert (line["shortcode"], {line["file"], line["still"]}) == ("pump", kept)
    assert {path.name for path in (tmp_path / "out" / "media").iterdir()} == kept
    corridor("backup", tmp_path / "all.tar")
    with tarfile.open(tmp_path / "all.tar") as tar:
        assert {Path(name).name for name in tar.getnames() if name.startswith("media/")} == kept
