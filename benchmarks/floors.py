"""Floors: what the parts cost without Corridor, on this machine, now. CPU milliseconds for one operation.

Every figure of Corridor is reported beside these, measured in the same run, since machines differ and are noisy.
"""

import asyncio
import multiprocessing
import socket
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

ROUNDS = 5


def measure() -> dict[str, list[float]]:
    """{"name": [CPU ms per operation, one value a round]}"""
    return {
        "bare uvicorn+starlette POST of 1.5 KB": [_bare_post(400) for _ in range(ROUNDS)],
        "RSA-2048 sign": _repeat(_rsa_sign(), 100),
        "RSA-2048 verify": _repeat(_rsa_verify(), 1000),
        "Ed25519 sign": _repeat(_ed25519_sign(), 1000),
        "seven statements on bare sqlite3": _sqlite(200),
    }


def _repeat(operation: Callable[[], object], times: int) -> list[float]:
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(times):
            operation()
        rounds.append((time.process_time() - start) * 1000 / times)
    return rounds


def _rsa_sign() -> Callable[[], object]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return lambda: key.sign(b"x" * 300, padding.PKCS1v15(), hashes.SHA256())


def _rsa_verify() -> Callable[[], object]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signature = key.sign(b"x" * 300, padding.PKCS1v15(), hashes.SHA256())
    public = key.public_key()
    return lambda: public.verify(signature, b"x" * 300, padding.PKCS1v15(), hashes.SHA256())


def _ed25519_sign() -> Callable[[], object]:
    key = ed25519.Ed25519PrivateKey.generate()
    return lambda: key.sign(b"x" * 300)


def _sqlite(times: int) -> list[float]:
    """A transaction of seven statements, committed with synchronous=FULL."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "floor.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT)")
        connection.execute("CREATE INDEX t_a ON t (a, id)")
        numbers = iter(range(1, 10**9))

        def transaction() -> None:
            connection.execute("BEGIN IMMEDIATE")
            for _ in range(4):
                connection.execute("INSERT INTO t VALUES (?, ?, ?)", (next(numbers), 7, "x" * 300))
            connection.execute("SELECT * FROM t WHERE a = ? ORDER BY id DESC LIMIT 1", (7,)).fetchall()
            connection.execute("UPDATE t SET b = ? WHERE id = ?", ("y", 1))
            connection.execute("SELECT b FROM t WHERE id = ?", (1,)).fetchall()
            connection.execute("COMMIT")

        rounds = _repeat(transaction, times)
        connection.close()
        return rounds


def _bare_post(requests: int) -> float:
    context = multiprocessing.get_context("spawn")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    results: multiprocessing.Queue[float] = context.Queue()
    server = context.Process(target=_serve, args=(port, results), daemon=True)
    server.start()
    asyncio.run(_drive(port, requests))
    cpu = results.get(timeout=30)
    server.join(10)
    return cpu * 1000 / requests


def _serve(port: int, results: "multiprocessing.Queue[float]") -> None:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    started = [0.0]
    server: list[uvicorn.Server] = []

    async def post(request: Request) -> Response:
        await request.body()
        return Response(status_code=202)

    async def begin(_request: Request) -> Response:
        started[0] = time.process_time()
        return Response()

    async def end(_request: Request) -> Response:
        results.put(time.process_time() - started[0])
        server[0].should_exit = True
        return Response()

    app = Starlette(routes=[Route("/inbox", post, methods=["POST"]), Route("/begin", begin), Route("/end", end)])
    server.append(uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", loop="uvloop", http="httptools")))
    server[0].run()


async def _drive(port: int, requests: int) -> None:
    for _ in range(100):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        except OSError:
            await asyncio.sleep(0.05)
    body = b"x" * 1500
    post = b"POST /inbox HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1500\r\n\r\n" + body
    for request in [b"GET /begin HTTP/1.1\r\nHost: localhost\r\n\r\n", *[post] * requests]:
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")
    writer.write(b"GET /end HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


def summary(rounds: list[float]) -> str:
    return f"{statistics.median(rounds):.3f} ({min(rounds):.3f}–{max(rounds):.3f})"
