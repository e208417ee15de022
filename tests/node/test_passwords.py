"""Hashing and checking passwords."""

import time

import pytest

from node import accounts, passwords
from node.errors import Invalid, Unauthorized
from node.runtime import Node
from tests.support.people import make_person
from tests.support.rows import id_of


async def test_a_password_is_stored_as_argon2id_and_known_again() -> None:
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert stored != await passwords.hash("correct horse")
    assert await passwords.verify(stored, "correct horse") is True
    assert await passwords.verify(stored, "correct horsf") is False
    assert await passwords.verify(stored, "") is False


@pytest.mark.parametrize("stored", [None, "", "x", "$argon2id$garbage", "plain", "$2b$12$abc"])
async def test_what_is_no_hash_fits_no_password(stored: str | None) -> None:
    for password in ("", "x", stored or "nobody has this password", "nobody has this password"):
        assert await passwords.verify(stored, password) is False


async def test_any_text_can_be_a_password() -> None:
    for password in ("пароль", "pass\x00word", "\ud800", "x" * passwords.MAX_LENGTH):
        assert await passwords.verify(await passwords.hash(password), password) is True
    assert await passwords.verify(await passwords.hash("pass\x00word"), "pass") is False


async def test_a_longer_password_is_not_cut_to_fit() -> None:
    stored = await passwords.hash("x" * passwords.MAX_LENGTH)
    assert await passwords.verify(stored, "x" * (passwords.MAX_LENGTH + 1)) is False


async def test_nobody_and_a_wrong_password_take_the_same_work() -> None:
    stored = await passwords.hash("correct horse")
    await passwords.verify(None, "warm up")

    async def seconds(candidate: str | None) -> float:
        best = 1e9
        for _ in range(5):
            start = time.perf_counter()
            await passwords.verify(candidate, "wrong")
            best = min(best, time.perf_counter() - start)
        return best

    wrong = await seconds(stored)
    for candidate in (None, "x", "$argon2id$garbage"):
        assert await seconds(candidate) > wrong / 3


async def test_signing_in_says_the_same_for_every_failure(node: Node) -> None:
    stored = await passwords.hash("correct horse")
    anna = await make_person(node, "anna", password_hash=stored)
    off = await make_person(node, "off", password_hash=stored)
    await node.write(accounts.disable, id_of(off))
    for name in ("anna", "Anna@example.org"):
        assert await passwords.sign_in(node, name, "correct horse") == anna.account_id
    messages = set()
    for name, password in [
        ("anna", "wrong"),
        ("nobody", "correct horse"),
        ("off", "correct horse"),
        ("", ""),
        ("a\x00", "x"),
    ]:
        with pytest.raises(Unauthorized) as refused:
            await passwords.sign_in(node, name, password)
        messages.add(str(refused.value))
    assert len(messages) == 1


def test_a_password_has_a_length() -> None:
    passwords.refuse_weak("0123456789", minimum=10)
    passwords.refuse_weak("x" * passwords.MAX_LENGTH, minimum=10)
    for password in ("", "012345678", "x" * (passwords.MAX_LENGTH + 1)):
        with pytest.raises(Invalid) as refused:
            passwords.refuse_weak(password, minimum=10)
        assert refused.value.field == "password"
