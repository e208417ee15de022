"""What is fuzzed: each target takes any bytes and must end in a result or in one of our own errors, and keep its promise."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from activitypub import authority, keys, parse, proofs, roster, signatures, strict_json, structured_fields, webfinger
from activitypub.errors import ProtocolError
from activitypub.signatures import Request
from node import html
from node.errors import NodeError

DOCUMENTS = Path(__file__).parent.parent / "activitypub" / "documents"
OWN = "https://node.example"

Target = Callable[[bytes], None]


def strict_json_target(data: bytes) -> None:
    document = strict_json.load(data)
    assert isinstance(document, dict)


def structured_fields_target(data: bytes) -> None:
    structured_fields.dictionary(data.decode("latin-1"))


def signature_headers(data: bytes) -> None:
    """A request whose header lines, target and body are in the data, one a line; the last is the body."""
    lines = data.decode("latin-1").split("\n")
    headers = [(name.strip().lower(), value) for name, found, value in (line.partition(":") for line in lines) if found]
    target = lines[0] if lines[0].startswith("/") else "/inbox"
    request = Request("POST", target, [("host", "node.example"), *headers], lines[-1].encode("latin-1"))
    signatures.presented(request, authority="node.example", scheme="https", now=1_790_000_000.0)


def key_text(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for read in (keys.from_multibase, keys.public_from_pem, keys.private_from_pem):
        try:
            read(text)
        except ProtocolError:
            continue
    key = keys.from_multibase(text)
    assert keys.multibase(key) == text


def markup(data: bytes) -> None:
    text = data.decode("utf-8", "replace").replace("\ufffd", "\ud800")
    html.plain(text)
    html.to_text(text)
    clean = html.sanitise(text)
    lowered = clean.lower()
    assert "<script" not in lowered
    assert "<iframe" not in lowered
    assert html.sanitise(clean) == clean


def webfinger_answers(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for read in (webfinger.parse_resource, webfinger.parse_handle):
        try:
            read(text)
        except ProtocolError:
            continue
    with contextlib.suppress(ProtocolError):
        webfinger.parse_host_meta(data)
    answer = webfinger.parse_jrd(strict_json.load(data), webfinger.parse_handle("ida@node.example"))
    assert answer.actor


def proof(data: bytes) -> None:
    """An object integrity proof of any document; it never holds, since nobody has the key."""
    found = strict_json.load(data)
    claim = proofs.presented(found)
    method = claim.method if claim is not None else "https://a.example/u#ed"
    try:
        proofs.verify(found, keys.from_multibase(MULTIBASE.decode()), method=method, now=1_790_000_000_000)
    except ProtocolError:
        return
    raise AssertionError("a proof by nobody holds")


def company_roster(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        roster.parse_invitation(data.decode("utf-8", "replace"))
    roster.parse(data)


def document(data: bytes) -> None:
    """All that is done to a document before a handler sees it."""
    found: dict[str, Any] = parse.load(data)
    for read in (parse.post, parse.actor, parse.collection):
        try:
            read(found)
        except ProtocolError:
            continue
    activity = parse.activity(found)
    authority.check(activity, signer=activity.actor, own_origin=OWN)
    embedded = authority.vouched(activity)
    if embedded is not None:
        parse.post(embedded, actor=activity.actor)


TARGETS: dict[str, Target] = {
    "strict_json": strict_json_target,
    "structured_fields": structured_fields_target,
    "signature_headers": signature_headers,
    "key_text": key_text,
    "markup": markup,
    "webfinger_answers": webfinger_answers,
    "proof": proof,
    "company_roster": company_roster,
    "document": document,
}


def attempt(target: Target, data: bytes) -> None:
    """Run a target; our own errors are what bad input is for."""
    try:
        target(data)
    except (ProtocolError, NodeError):
        return


MULTIBASE = b"z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
SIGNED = (
    b"/inbox\n"
    b"date: Mon, 21 Sep 2026 13:33:20 GMT\n"
    b"digest: SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    b'signature: keyId="https://a.example/u#main-key",algorithm="rsa-sha256",'
    b'headers="(request-target) host date digest",signature="AAAA"\n'
)
SIGNED_9421 = (
    b"/inbox\n"
    b"content-digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:\n"
    b'signature-input: sig1=("@method" "@target-uri" "content-digest");created=1790000000;keyid="https://a.example/u#k"\n'
    b"signature: sig1=:AAAA:\n"
)


def seeds(name: str) -> list[bytes]:
    """Good input to begin with, so that mutations get past the first check."""
    documents = [path.read_bytes() for path in sorted(DOCUMENTS.glob("*.json"))]
    jrd = (
        b'{"subject":"acct:ida@node.example","links":[{"rel":"self","type":"application/activity+json",'
        b'"href":"https://node.example/u"}]}'
    )
    host_meta = (
        b'<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">'
        b'<Link rel="lrdd" template="https://a.example/w?r={uri}"/></XRD>'
    )
    proof = (
        b'{"@context":"https://www.w3.org/ns/activitystreams","id":"https://a.example/1","type":"Note","proof":{"type":'
        b'"DataIntegrityProof","cryptosuite":"eddsa-jcs-2022","proofPurpose":"assertionMethod","created":'
        b'"2026-03-01T09:30:00Z","verificationMethod":"https://a.example/u#ed","proofValue":"z3sXa"}}'
    )
    return {
        "strict_json": [*documents, b'{"a":[1,2.5,-3e8,"\\u00e9\\ud83d\\ude00",null,true]}'],
        "structured_fields": [
            b'sig1=("@method" "@target-uri";req);created=1;keyid="k"',
            b"a=:AAAA:, b, c=?0, d=1.5;x=tok",
        ],
        "signature_headers": [SIGNED, SIGNED_9421],
        "key_text": [MULTIBASE, b"-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"],
        "markup": [
            b'<p>Hi <a href="https://a.example" class="mention">@<span>x</span></a></p>',
            b"<svg><style><img src=x onerror=alert(1)></style></svg>",
            b'<math><mtext><table><mglyph><style><!--</style><a title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
            b"<h1>a</h1><div>b</div><ruby>c<rt>d</rt></ruby>",
        ],
        "webfinger_answers": [jrd, host_meta, b"acct:ida@node.example", b"@ida@b\xc3\xbccher.example:8080"],
        "proof": [proof, *documents],
        "company_roster": [
            b'{"type":"CorridorRoster","format":1,"company":"Acme","version":7,"issued":"2026-03-01T09:30:00Z",'
            b'"expires":"2026-04-01T09:30:00Z","nodes":[{"domain":"a.example","department":"A","identity":"'
            + MULTIBASE
            + b'","roles":["member"]}]}'
        ],
        "document": documents,
    }[name]  # fmt: skip
