"""What comes back from another server: reading it within bounds, and saying what is wrong with it."""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import aiohttp
import httpx

from activitypub.errors import FetchFailed

MAX_RETRY_AFTER = 7 * 86_400.0  # seconds; we give up on a delivery after as long
GONE = frozenset({404, 410})

_DRAIN_BYTES = 65_536
_DRAIN_SECONDS = 2.0
_GZIP_OVERHEAD = 1024
_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. `url` is the final one, after redirects, in the spelling that was requested."""

    url: str
    status: int
    headers: httpx.Headers
    body: bytes
    content_type: str | None


async def read(response: httpx.Response, url: str, limit: int) -> bytes:
    """The body, decompressed. Neither what arrives nor what it unfolds to may exceed the limit, at any moment."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise FetchFailed(f"{url} is compressed as {encoding[:50]!r}, which we did not ask for", url=url)
    inflater = None if encoding == "identity" else zlib.decompressobj(16 + zlib.MAX_WBITS)
    body = bytearray()
    arrived = 0
    async for chunk in response.aiter_raw():
        arrived += len(chunk)
        try:
            body += chunk if inflater is None else inflater.decompress(chunk, limit - len(body) + 1)
        except zlib.error as error:
            raise FetchFailed(f"{url} is compressed wrongly", url=url) from error
        if len(body) > limit or arrived > limit + _GZIP_OVERHEAD:
            raise FetchFailed(f"{url} is longer than {limit} bytes", url=url)
    if inflater is not None and (not inflater.eof or inflater.unused_data):
        raise FetchFailed(f"{url} is compressed wrongly", url=url)
    return bytes(body)


async def drain(chunks: AsyncIterator[bytes]) -> None:
    """Read the rest of an answer that nobody wants, to keep its connection, unless that takes long. Never fails."""
    size = 0
    with suppress(TimeoutError, httpx.HTTPError, aiohttp.ClientError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for chunk in chunks:
                size += len(chunk)
                if size > _DRAIN_BYTES:
                    break


def wrong_type(fetched: Fetched) -> FetchFailed:
    given = (fetched.content_type or "nothing")[:100]
    return FetchFailed(f"{fetched.url} is of the wrong type: {given!r}", url=fetched.url, status=fetched.status)


def failure(answer: Fetched, now: float) -> FetchFailed:
    status = answer.status
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    return FetchFailed(
        f"{answer.url} answered {status} {phrase}".rstrip(),
        url=answer.url,
        status=status,
        retry=status in (408, 425, 429) or status >= 500,
        gone=status in GONE,
        retry_after=retry_after(answer.headers, now),
    )


def retry_after(headers: httpx.Headers, now: float) -> float | None:
    """Seconds from now; the header holds a number or a date (RFC 9110 §10.2.3). None if it cannot be read."""
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(text)
        moment = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(0.0, moment - now), MAX_RETRY_AFTER)


def reason(error: Exception, url: str) -> str:
    """What went wrong with the connection, in words for an administrator."""
    cause = error.__cause__ if isinstance(error, httpx.HTTPError) and error.__cause__ else error
    if isinstance(cause, TimeoutError):
        return f"{url}: no complete answer in time"
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return f"{url}: the name of the host cannot be resolved ({cause.os_error})"
    if isinstance(cause, aiohttp.ClientConnectorCertificateError):
        return f"{url}: its TLS certificate is not valid ({cause.certificate_error})"
    if isinstance(cause, aiohttp.ClientSSLError):
        return f"{url}: no TLS connection is possible ({cause.os_error})"
    if isinstance(cause, aiohttp.ClientConnectorError):
        return f"{url}: the host cannot be reached ({cause.os_error.strerror or cause.os_error})"
    if isinstance(cause, aiohttp.ServerDisconnectedError):
        return f"{url}: the host closed the connection without an answer"
    return f"{url}: the answer broke off or was no HTTP ({type(cause).__name__}: {str(cause)[:200]})"
