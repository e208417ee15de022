"""Passwords: argon2id with 19 MiB, two passes, one lane (OWASP's first choice).

Hashing takes tens of milliseconds, so it runs on a small pool of threads of its own, never in a transaction. Checking the
password of somebody who does not exist takes as long as checking a wrong one.
"""

import asyncio
import contextlib
import functools
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from node import auth
from node.errors import Invalid, Unauthorized
from node.ids import AccountId
from node.runtime import Node

THREADS = 2
MEMORY_KIB = 19 * 1024
PASSES = 2
MAX_LENGTH = 1024


async def hash(password: str) -> str:
    """What is stored of a password."""
    return await asyncio.get_running_loop().run_in_executor(_pool(), _hasher().hash, _bytes(password))


async def verify(stored: str | None, password: str) -> bool:
    """Whether this is the password; `stored` None (nobody of that name) is False after the same time."""
    return await asyncio.get_running_loop().run_in_executor(_pool(), _verify, stored, password)


async def sign_in(node: Node, name: str, password: str) -> AccountId:
    """Whoever has this e-mail address or username and password.

    Raises Unauthorized with one message for unknown, disabled and suspended people and wrong passwords.
    """
    found = await node.read(auth.sign_in_data, name)
    if not await verify(found.password_hash if found is not None else None, password) or found is None:
        raise Unauthorized("Invalid e-mail address, user name or password")
    return AccountId(found.account_id)


def refuse_weak(password: str, *, minimum: int) -> None:
    """Raise Invalid for a password that is too short or too long to be hashed."""
    if len(password) < minimum:
        raise Invalid(f"is too short (minimum is {minimum} characters)", "password")
    if len(password) > MAX_LENGTH:
        raise Invalid(f"is too long (maximum is {MAX_LENGTH} characters)", "password")


def _verify(stored: str | None, password: str) -> bool:
    if stored is not None and len(password) <= MAX_LENGTH:
        try:
            return _hasher().verify(stored, _bytes(password))
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError):
            pass  # no hash at all: as for nobody
    with contextlib.suppress(VerifyMismatchError):
        _hasher().verify(_nobody(), _bytes(password[:MAX_LENGTH]))
    return False


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


# Made on first use, and the same for every node of the process: threads and parameters, no state.


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="corridor-password")


@functools.cache
def _hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1)


@functools.cache
def _nobody() -> str:
    """A hash to check against where there is none, so that the time tells nothing."""
    return _hasher().hash("nobody has this password")
