"""Where a redirect may lead, and over which connections."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from activitypub.client import Client
from activitypub.errors import FetchFailed, HostRefused
from activitypub.guard import Guard
from activitypub.signatures import Flavour, SigningKey
from tests.activitypub.loopback import Peer, Start, a_client, moved, reply, verified


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_get_is_redirected_and_signed_anew(client: Client, peer: Peer, key: SigningKey, status: int) -> None:
    final = peer.note("/2")
    fetched = await client.fetch(peer.says("/1", moved("/2#fragment", status)))
    assert fetched.url == final
    assert [verified(request, peer, key) for request in peer.asked] == [Flavour.CAVAGE] * 2
    assert peer.connections == 1


async def test_five_redirects_are_followed_and_a_sixth_is_not(client: Client, peer: Peer) -> None:
    for hop in range(6):
        peer.says(f"/{hop}", moved(f"/{hop + 1}"))
    peer.note("/6")
    assert (await client.fetch(peer.url("/1"))).url == peer.url("/6")
    peer.asked.clear()
    with pytest.raises(FetchFailed, match="too often"):
        await client.fetch(peer.url("/0"))
    assert len(peer.asked) == 6


@pytest.mark.parametrize("second", ["/1", "/2", "/./1", "/1#x", ""])
async def test_a_redirect_to_where_we_have_been_ends_at_once(client: Client, peer: Peer, second: str) -> None:
    peer.says("/1", moved("/2"))
    peer.says("/2", moved(second))
    with pytest.raises(FetchFailed, match="circle"):
        await client.fetch(peer.url("/1"))
    assert len(peer.asked) == 2


@pytest.mark.parametrize("location", ["/a\tb", "/a\\b", "http://[", "http://127.0.0.1:99999/", "mailto:a@b"])
async def test_a_redirect_to_nothing_sensible_is_a_failure(client: Client, peer: Peer, location: str) -> None:
    with pytest.raises(FetchFailed) as failed:
        await client.fetch(peer.says("/1", moved(location)))
    assert not failed.value.retry


async def test_a_redirect_that_names_no_place_or_two_is_a_failure(client: Client, peer: Peer) -> None:
    peer.note("/2")
    for answer in (reply(302), reply(302, b"", "location: /2", "location: /2")):
        with pytest.raises(FetchFailed, match="not to one address"):
            await client.fetch(peer.says("/1", answer))


@pytest.mark.parametrize("closed", ["127.0.0.1", "127.0.0.2", "localhost", "2130706433", "0", "[::ffff:127.0.0.1]"])
async def test_a_redirect_into_the_house_is_refused_before_anything_is_dialled(start: Start, closed: str) -> None:
    listed, inner = await start(), await start("0.0.0.0")
    guard = Guard(allow_http=True, private=(listed.authority,))
    async with a_client(guard) as client:
        with pytest.raises(HostRefused):
            await client.fetch(listed.says("/", moved(f"http://{closed}:{inner.port}/")))
    assert len(listed.asked) == 1
    assert inner.connections == 0


async def test_a_redirect_between_two_listed_peers_is_followed(start: Start) -> None:
    one, other = await start(), await start()
    async with a_client(Guard(allow_http=True, private=(one.authority, other.authority))) as client:
        fetched = await client.fetch(one.says("/", moved(other.note("/n"))))
    assert fetched.url == other.url("/n")


@pytest.fixture(scope="module")
def authority_tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """(server side, client side) of a certificate for 127.0.0.1, which only the client side trusts."""
    folder: Path = tmp_path_factory.mktemp("tls")
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "peer")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, secret.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(secret, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server, ssl.create_default_context(cafile=str(folder / "cert.pem"))


async def test_https_may_lead_to_https_but_never_to_http(
    start: Start, authority_tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    server, trusting = authority_tls
    secure, plain = await start(tls=server), await start()
    secure_note, plain_note = secure.note("/n"), plain.note("/n")
    async with a_client(tls=trusting) as client:
        assert (await client.fetch(secure.says("/1", moved(secure_note)))).url == secure_note
        assert (await client.fetch(plain.says("/1", moved(secure_note)))).url == secure_note
        with pytest.raises(FetchFailed, match="https to http"):
            await client.fetch(secure.says("/2", moved(plain_note)))
    assert [request.target for request in plain.asked] == ["/1"]


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    start: Start, authority_tls: tuple[ssl.SSLContext, ssl.SSLContext], key: SigningKey
) -> None:
    secure = await start(tls=authority_tls[0])
    async with a_client() as client:
        for attempt in (client.fetch(secure.note("/")), client.deliver(secure.url("/"), b"{}", key)):
            with pytest.raises(FetchFailed, match="certificate is not valid"):
                await attempt
    assert secure.asked == []
