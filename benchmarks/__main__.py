"""`make bench`: floors of this machine, then a fresh node under load, in one run.

    make bench                                    floors only
    make bench ARGS='--load "PYTHON perf.py"'     and the load harness (benchmarks/README.md), on a node made for it
    … --database postgresql+psycopg://…           on an empty PostgreSQL database instead of SQLite

Prints a Markdown table and, with --out, writes it to a file with the date and the machine.
"""

import argparse
import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import floors

COMMAND = [sys.executable, "-m", "web.cli.main"]
PASSWORD = "only for this benchmark"
UNLIMITED = """
[limits]
per_account = 0
per_address = 0
sign_in_per_address = 0
posts_per_account = 0
media_per_account = 0
apps_per_address = 0
inbox_per_peer = 0
streams_per_account = 0
"""

# scenario, figure of the harness, what it is, aim of this release
AIMS = [
    ("inbox", "cpu_ms_per_activity", "inbox activity, CPU ms", 2.0),
    ("post", "c1_cpu_ms_per_post", "local post, one connection, CPU ms", 4.0),
    ("post", "c8_cpu_ms_per_post", "local post, eight connections, CPU ms", 4.0),
    ("home", "c1_cpu_ms_per_request", "home timeline of 40, one connection, CPU ms", 2.0),
    ("home", "c16_cpu_ms_per_request", "home timeline of 40, sixteen connections, CPU ms", 2.0),
    ("fanout", "cpu_ms_per_delivery", "delivery (RSA), CPU ms", 1.5),
    ("stream", "inbox_p50_ms", "federated event to the socket, median ms", 15.0),
    ("stream", "local_p50_ms", "local event to the socket, median ms", 15.0),
    ("idle", "start_rss_mib", "resident memory after start, MiB", 120.0),
    ("idle", "end_rss_mib", "resident memory after the load, MiB", None),
    ("idle", "startup_s", "start to first answer, s", None),
]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--load", default=os.environ.get("CORRIDOR_LOAD", ""), help="command of the load harness")
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--database", default="", help="empty PostgreSQL database; default: SQLite")
    parser.add_argument("--out", type=Path, help="write the table here as well")
    options = parser.parse_args()
    before = floors.measure()
    rows = _load(options) if options.load else []
    after = floors.measure()
    text = _table(before, after, rows, options)
    print(text)
    if options.out:
        options.out.write_text(text)


def _load(options: argparse.Namespace) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="corridor-bench-") as name:
        folder = Path(name) / "node"
        target = _make_node(folder, options.database)
        result = Path(name) / "result.jsonl"
        command = [*shlex.split(options.load), "run", "--target", str(target), "--reps", str(options.reps)]
        command += ["--out", str(result), "--log-dir", name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=sys.stderr)
        return [json.loads(line) for line in result.read_text().splitlines()]


def _make_node(folder: Path, database: str) -> Path:
    environment = {**os.environ, "CORRIDOR_CONFIG": str(folder / "corridor.toml")}
    if database:
        environment["CORRIDOR_DATABASE__URL"] = database

    def corridor(*arguments: str) -> str:
        done = subprocess.run([*COMMAND, *arguments], env=environment, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    corridor("init", str(folder), "--domain", "localhost:8101", "--department", "Bench", "--dev")
    with (folder / "corridor.toml").open("a") as file:
        file.write(UNLIMITED)
    tokens = []
    for person in ("anna", "tom"):
        corridor("account", "create", person, "--email", f"{person}@example.org", "--password", PASSWORD)
        tokens.append(corridor("token", "create", person))
    serve = shlex.join([*COMMAND, "serve", "--config", str(folder / "corridor.toml"), "--port", "8101"])
    if database:
        serve = f"env CORRIDOR_DATABASE__URL={shlex.quote(database)} {serve}"
    target = folder / "target.json"
    note = f"{'PostgreSQL' if database else 'SQLite'}, one process, rate limits off"
    facts = {"name": "corridor", "base": "http://localhost:8101", "token": tokens[0], "token2": tokens[1]}
    target.write_text(json.dumps({**facts, "start": serve, "cwd": str(folder), "pids": [], "note": note}))
    target.chmod(0o600)
    return target


def _table(
    before: dict[str, list[float]],
    after: dict[str, list[float]],
    rows: list[dict[str, Any]],
    options: argparse.Namespace,
) -> str:
    both = {name: before[name] + after[name] for name in before}
    bare = sorted(both["bare uvicorn+starlette POST of 1.5 KB"])[
        len(both["bare uvicorn+starlette POST of 1.5 KB"]) // 2
    ]
    engine = "PostgreSQL" if options.database else "SQLite"
    lines = [
        f"# {datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {engine}",
        "",
        "Median (least to most) of all rounds.",
        "",
        "| floor | CPU ms |",
        "|---|---|",
        *(f"| {name} | {floors.summary(values)} |" for name, values in both.items()),
        "",
    ]
    if rows:
        lines += ["| figure | measured | aim | times a bare POST | |", "|---|---|---|---|---|"]
        lines += [line for scenario, key, label, aim in AIMS if (line := _line(rows, scenario, key, label, aim, bare))]
        lines.append("")
    return "\n".join(lines)


def _line(rows: list[dict[str, Any]], scenario: str, key: str, label: str, aim: float | None, bare: float) -> str:
    values = [row[key] for row in rows if row.get("scenario") == scenario and key in row and "rep" in row]
    if not values:
        errors = [row["error"] for row in rows if row.get("scenario") == scenario and "error" in row]
        return f"| {label} | INVALID {'; '.join(errors)} | {aim or ''} | | |" if errors else ""
    median = sorted(values)[len(values) // 2]
    ratio = f"{median / bare:.0f}" if "CPU" in label else ""
    verdict = "" if aim is None else "reached" if median <= aim else "NOT reached"
    return f"| {label} | {floors.summary(values)} | {'' if aim is None else f'<= {aim:g}'} | {ratio} | {verdict} |"


if __name__ == "__main__":
    main()
