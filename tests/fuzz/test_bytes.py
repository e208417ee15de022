"""Any bytes: a result or one of our own errors, soon. A taste with hypothesis each time; by coverage in `make test-long`."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import missing
from tests.fuzz import targets

SECONDS = int(os.environ.get("FUZZ_SECONDS", "600"))
"""For each target."""


@st.composite
def mutated(draw: st.DrawFn, name: str) -> bytes:
    """A good input with some pieces cut out, doubled, exchanged or replaced."""
    data = bytearray(draw(st.sampled_from(targets.seeds(name))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 40))
        piece = draw(st.one_of(st.binary(max_size=8), st.sampled_from(PIECES), st.just(bytes(data[at : at + length]))))
        data[at : at + draw(st.sampled_from([0, length]))] = piece
    return bytes(data)


PIECES = [
    b'"',
    b"\\",
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\\u0000",
    b"\\ud800",
    b"[" * 70,
    b'{"a":' * 70,
    b"9" * 30,
    b"-0",
    b"1e999",
    b"NaN",
    b"null",
    b"\r\n",
    b";",
    b",",
    b"=",
    b"<",
    b">",
    b"&#0;",
    b"\xe2\x80\xae",
]


@pytest.mark.parametrize("name", targets.TARGETS)
def test_any_bytes_end_in_a_result_or_in_an_error_of_ours(name: str) -> None:
    @settings(max_examples=300, deadline=2_000, database=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(mutated(name), st.binary(max_size=200)))
    def run(data: bytes) -> None:
        targets.attempt(targets.TARGETS[name], data)

    for seed in targets.seeds(name):
        targets.attempt(targets.TARGETS[name], seed)
    run()


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("name", targets.TARGETS)
def test_inputs_found_by_coverage_end_the_same_way(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        missing("atheris is not installed: make test-long does it where there is a build for this Python")
    command = [
        sys.executable,
        "-m",
        "tests.fuzz",
        name,
        str(tmp_path),
        f"-max_total_time={SECONDS}",
        "-rss_limit_mb=4096",
    ]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    broken = [path.read_bytes()[:2_000] for path in sorted((tmp_path / name).glob("crash-*"))]
    assert done.returncode == 0, f"{broken}\n{done.stderr[-6_000:]}"
