"""Whether this node and a peer can talk: `corridor peers test`. Step by step, so that the first fault names the cause."""

import asyncio
import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime

from yarl import URL

from activitypub import nodeinfo, parse
from activitypub.answers import Fetched
from activitypub.errors import FetchFailed, HostRefused, Malformed, ProtocolError
from activitypub.guard import GuardedResolver, Lookup, system_lookup
from activitypub.vocabulary import normal_authority
from node.company import Company
from node.config import ConfigError, Settings
from node.doctor import Finding, State, fault, ok, warn
from node.errors import Invalid
from node.federation import peers
from node.federation.fetching import PeerGuard
from node.federation.network import Network, open_network
from node.runtime import Node

LOOKUP_SECONDS = 5.0
"""For the names of all listed peers together."""
SLOW_CLOCK, WRONG_CLOCK = 30.0, 3_600.0
"""Seconds. Signatures are refused beyond about an hour (Mastodon: one hour ahead, twelve behind)."""
NOBODY = "users/nobody-of-that-name-peers-test"
"""Asked for with a signature: a peer says 404 once it has accepted that, 401 if it has not."""


async def test(node: Node, domain: str) -> list[Finding]:
    """Findings up to the first fault. Raises Invalid for what is no domain."""
    try:
        peer = normal_authority(domain, node.settings.node.scheme)
    except Malformed as error:
        raise Invalid(f"{domain!r} is not host or host:port: {error}", "DOMAIN") from error
    findings: list[Finding] = []
    network = await open_network(node)
    try:
        async for finding in _steps(network, peer):
            findings.append(finding)
            if finding.state is State.FAULT:
                break
    finally:
        await network.aclose()
    return findings


async def of_allowlist(settings: Settings, *, lookup: Lookup = system_lookup) -> list[Finding]:
    """For the doctor: whether our own guard lets us talk to the peers that the settings list. Nothing is sent to them."""
    try:
        PeerGuard(settings, Company(settings, time.time))
    except ConfigError as error:
        return [fault("peers", str(error), "put the setting right; the node does not start with it")]
    listed = peers.listed(settings) - {settings.node.domain} if settings.federation.mode == "allowlist" else ()
    found: list[Finding] = []

    async def look(peer: str) -> None:
        if (way := await _barred(settings, Company(settings, time.time), peer, lookup=lookup)) is not None:
            found.append(way)

    try:
        async with asyncio.timeout(LOOKUP_SECONDS), asyncio.TaskGroup() as group:
            for peer in listed:
                group.create_task(look(peer))
    except TimeoutError:
        found.append(warn("peers", "the names of the listed peers could not be looked up in time", "see the resolver"))
    if listed and not found:
        found.append(ok("peers", f"nothing of ours bars the way to the peers listed ({len(listed)})"))
    return sorted(found, key=lambda one: one.message)


async def _barred(settings: Settings, company: Company, peer: str, *, lookup: Lookup = system_lookup) -> Finding | None:
    """A fault if our guard would refuse every connection to the peer: being allowed does not open private addresses.

    None also for a name that has no address just now: that is another matter.
    """
    guard = PeerGuard(settings, company)
    try:
        url = guard.check_url(f"{settings.node.scheme}://{peer}/")
        await GuardedResolver(guard, lookup).resolve(url.raw_host or "", url.port or 0)
    except HostRefused as error:
        return fault("peers", str(error), _how_to_open(guard, URL(f"{settings.node.scheme}://{peer}/")))
    except OSError:
        return None
    return None


def _how_to_open(guard: PeerGuard, url: URL) -> str:
    if guard.listed(url.raw_host or "", url.port or 0):
        return "no peer can have such an address: is the name right, and the name server?"
    return (
        f'add "{url.host_subcomponent}:{url.port}" to federation.private_peers: a peer whose address is not public, or '
        "whose port is neither 80 nor 443, is listed there as well"
    )


async def _steps(network: Network, peer: str) -> AsyncIterator[Finding]:
    yield await _allowed(network.node, peer)
    if (way := await _barred(network.node.settings, network.node.company, peer)) is not None:
        yield way
        return
    base = f"{network.node.settings.node.scheme}://{peer}"
    try:
        answer = await network.client.fetch(f"{base}/.well-known/nodeinfo", accept="application/json", signed=False)
    except FetchFailed as error:
        yield fault("reach", str(error), "is it running? Do its name, port and certificate, and our firewall, agree?")
        return
    yield await _software(network, base, answer)
    yield _clock(network.node, answer)
    yield await _signature(network, base)


async def _allowed(node: Node, peer: str) -> Finding:
    try:
        peers.admit(node, peer)
    except ProtocolError as error:
        return fault("allowed", str(error), _how_to_admit(node))
    if await node.read(peers.is_blocked, peer):
        return fault("allowed", f"{peer} is blocked here", f"corridor peers unblock {peer}")
    return ok("allowed", f"{peer} may be a peer")


def _how_to_admit(node: Node) -> str:
    if node.settings.federation.mode != "roster":
        return "see federation.mode and federation.allowlist"
    return "ask the company's administrator for a roster that lists it, and `corridor join` with what they send"


async def _software(network: Network, base: str, answer: Fetched) -> Finding:
    try:
        address = nodeinfo.parse_discovery(parse.load(answer.body), base)
        fetched = await network.client.fetch(address, accept="application/json", signed=False)
        said = nodeinfo.parse(parse.load(fetched.body))
    except ProtocolError as error:
        return warn("reach", f"it answers, but does not say what it is: {error}", "is this a server of the fediverse?")
    return ok("reach", f"it runs {said.software} {said.version}")


def _clock(node: Node, answer: Fetched) -> Finding:
    try:
        there = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except ValueError:
        return warn("clock", "it does not say what time it is", "compare the two clocks by hand")
    ahead = node.clock() - there
    message = f"our clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the peer's"
    if abs(ahead) > WRONG_CLOCK:
        return fault("clock", message, "set the wrong one: signatures are not accepted")
    if abs(ahead) > SLOW_CLOCK:
        return warn("clock", message, "set the wrong one before signatures are refused")
    return ok("clock", "our clock agrees with the peer's")


async def _signature(network: Network, base: str) -> Finding:
    try:
        await network.client.fetch(f"{base}/{NOBODY}")
    except FetchFailed as error:
        if error.status in (401, 403, 503):  # 503: it could not fetch our key just now
            advice = (
                f"does it list {network.node.settings.node.domain} as a peer, can it reach {network.node.urls.node_actor},"
                " is this node running, and are both clocks right?"
            )
            return fault("signature", f"it does not accept what we sign ({error.status})", advice)
        if not error.gone:
            return fault("signature", str(error), "see the peer's log")
    return ok("signature", "it accepts our signature")
