"""Progress: lines where there is no terminal, never on standard output."""

import pytest

from web.cli import progress


def test_without_a_terminal_there_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with progress.shown("Importing") as tell:
        for done in range(0, 101, 10):
            now += 2.0
            tell(done, 100)
        tell(0, 0)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["Importing: 20 %", "Importing: 50 %", "Importing: 80 %"]


def test_on_a_terminal_there_is_a_bar_on_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress.shown("Importing") as tell:
        tell(50, 100)
    said = capsys.readouterr()
    assert said.out == ""
    assert "Importing" in said.err
    assert "50%" in said.err
