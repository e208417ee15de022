"""The roster and the invitation: what is taken, and beside each rule what only just is not."""

import base64
import hashlib
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activitypub import jcs, keys, proofs
from activitypub import roster as rosters
from activitypub.errors import Malformed, ProtocolError, SignatureInvalid
from activitypub.roster import MAX_NODES, Member, Roster

NOW = 1_790_000_000_000
DAY = 86_400_000
COMPANY, OTHER = keys.generate_ed25519(), keys.generate_ed25519()


def identity(number: int) -> str:
    return keys.multibase(Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big")).public_key())


def member(number: int = 1, **changes: Any) -> Member:
    made = Member(f"n{number}.example", f"Department {number}", identity(number))
    return msgspec.structs.replace(made, **changes)


def signed(*nodes: Member, key: Ed25519PrivateKey = COMPANY, **changes: Any) -> Roster:
    values = {"company": "Acme", "version": 7, "issued": NOW, "expires": NOW + DAY, **changes}
    return rosters.sign(key, nodes=nodes or (member(1), member(2)), **values)


def document(**changes: Any) -> dict[str, Any]:
    """Of a good roster, changed, and signed again: what is wrong with it is not the signature."""
    doc = msgspec.json.decode(signed().body) | changes
    doc = {name: value for name, value in doc.items() if value is not ...}
    doc.pop("proof")
    return proofs.sign(doc, COMPANY, method=proofs.did_key(COMPANY.public_key()), created=NOW)


def body(**changes: Any) -> bytes:
    return msgspec.json.encode(document(**changes))


def read_and_verified(raw: bytes) -> Roster:
    found = rosters.parse(raw)
    rosters.verify(found, found.signer)
    return found


def test_a_roster_comes_back_as_it_was_signed_whatever_its_spelling() -> None:
    made = signed(member(1), member(2, roles=("member", "communications")), next_key=identity(99))
    spelled_otherwise = msgspec.json.format(made.body, indent=3)
    read = rosters.parse(spelled_otherwise)
    assert read == made
    assert (read.company, read.version, read.issued, read.expires) == ("Acme", 7, NOW, NOW + DAY)
    assert (read.signer, read.next_key) == (keys.multibase(COMPANY.public_key()), identity(99))
    assert read.member("n2.example") == member(2, roles=("member", "communications"))
    assert read.member("n3.example") is None
    rosters.verify(read, read.signer)


def test_the_wire_form_is_the_documented_one() -> None:
    doc = msgspec.json.decode(signed(member(1), next_key=identity(9)).body)
    proof = doc.pop("proof")
    assert doc == {
        "type": "CorridorRoster",
        "format": 1,
        "company": "Acme",
        "version": 7,
        "issued": "2026-09-21T14:13:20Z",
        "expires": "2026-09-22T14:13:20Z",
        "nextKey": identity(9),
        "nodes": [
            {"domain": "n1.example", "department": "Department 1", "identity": identity(1), "roles": ["member"]},
        ],
    }
    assert (proof["type"], proof["cryptosuite"]) == ("DataIntegrityProof", "eddsa-jcs-2022")
    assert proof["verificationMethod"] == proofs.did_key(COMPANY.public_key())


def test_a_roster_holds_for_the_key_that_signed_it_and_for_no_other() -> None:
    made = signed()
    rosters.verify(made, keys.multibase(COMPANY.public_key()))
    with pytest.raises(SignatureInvalid):
        rosters.verify(made, keys.multibase(OTHER.public_key()))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 8},
        {"company": "Acme Ltd"},
        {"expires": "2036-09-22T14:13:20Z"},
        {"nodes": [msgspec.to_builtins(member(1))]},
        {"nextKey": identity(5)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_nothing_of_a_signed_roster_can_be_changed(change: dict[str, Any]) -> None:
    doc = msgspec.json.decode(signed().body) | change
    with pytest.raises(ProtocolError):
        read_and_verified(msgspec.json.encode(doc))


def test_who_signs_in_anothers_name_is_found_out() -> None:
    doc = document()
    proof = {**doc["proof"], "verificationMethod": proofs.did_key(OTHER.public_key())}
    found = rosters.parse(msgspec.json.encode({**doc, "proof": proof}))
    with pytest.raises(SignatureInvalid):
        rosters.verify(found, found.signer)


GOOD: list[dict[str, Any]] = [
    {},
    {"nodes": []},
    {"version": 1},
    {"version": 2**31 - 1},
    {"company": "x" * 200},
    {"nextKey": None},
    {"expires": "2029-09-20T00:00:00Z"},
    {"nodes": [msgspec.to_builtins(member(1, domain="eng.example:8443"))]},
    {"nodes": [msgspec.to_builtins(member(1, roles=()))]},
    {"nodes": [msgspec.to_builtins(member(1, roles=("bridge", "communications")))]},
]
BAD: list[dict[str, Any]] = [
    {"type": "Roster"},
    {"type": ...},
    {"format": 2},
    {"format": True},
    {"format": "1"},
    {"version": 0},
    {"version": -1},
    {"version": 2**31},
    {"version": "7"},
    {"version": 7.5},
    {"version": ...},
    {"company": ""},
    {"company": "  "},
    {"company": "x" * 201},
    {"company": "Ac\nme"},
    {"issued": "yesterday"},
    {"expires": 1_790_000_000},
    {"expires": ...},
    {"expires": "2026-09-21T14:13:20Z"},  # the moment it was issued
    {"expires": "2026-09-20T00:00:00Z"},
    {"expires": "2029-10-20T00:00:00Z"},
    {"nextKey": "z6Mk"},
    {"nextKey": 5},
    {"extra": 1},
    {"nodes": {}},
    {"nodes": ...},
    {"nodes": [{"domain": "a.example"}]},
    {"nodes": [msgspec.to_builtins(member(1)) | {"extra": 1}]},
    {"nodes": [msgspec.to_builtins(member(1)), msgspec.to_builtins(member(2, domain="n1.example"))]},
    {"nodes": [msgspec.to_builtins(member(1)), msgspec.to_builtins(member(2, identity=identity(1)))]},
    *(
        {"nodes": [msgspec.to_builtins(member(1, **wrong))]}
        for wrong in (
            {"domain": "N1.example"},
            {"domain": "n1.example:443"},
            {"domain": "https://n1.example"},
            {"domain": "n1.example/x"},
            {"domain": "a@n1.example"},
            {"domain": ""},
            {"domain": "n1.example:0"},
            {"department": ""},
            {"department": "x" * 201},
            {"department": "Sales\x1b[2J"},
            {"identity": "z6Mk"},
            {"identity": keys.to_pem(keys.generate_rsa().public_key())},
            {"roles": ("Member",)},
            {"roles": ("a b",)},
            {"roles": ("member", "member")},
            {"roles": tuple("abcdefghijk")},
        )
    ),
]


@pytest.mark.parametrize("change", GOOD, ids=str)
def test_a_roster_that_only_just_fits_is_read(change: dict[str, Any]) -> None:
    found = rosters.parse(body(**change))
    rosters.verify(found, found.signer)


@pytest.mark.parametrize("change", BAD, ids=lambda change: str(change)[:60])
def test_a_roster_that_is_not_quite_one_is_malformed_although_it_is_signed(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        rosters.parse(body(**change))


@pytest.mark.parametrize(
    "proof",
    [
        ...,
        None,
        [],
        "z5",
        {"type": "DataIntegrityProof"},
        {"type": "DataIntegrityProof", "cryptosuite": "eddsa-rdfc-2022"},
        {**document()["proof"], "verificationMethod": "https://eng.example/actor#main-key"},
        {**document()["proof"], "proofPurpose": "authentication"},
        [document()["proof"], document()["proof"]],
    ],
    ids=lambda proof: str(proof)[:50],
)
def test_a_roster_without_one_proof_of_ours_is_malformed(proof: Any) -> None:
    doc = document() | {"proof": proof}
    with pytest.raises(Malformed):
        rosters.parse(msgspec.json.encode({name: value for name, value in doc.items() if value is not ...}))


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{", b"\xff", b'{"type": "CorridorRoster", "type": "CorridorRoster"}', b"[" * 100]
)
def test_what_is_no_json_object_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        rosters.parse(raw)


def test_a_thousand_nodes_fit_and_one_more_does_not() -> None:
    most = [member(number) for number in range(1, MAX_NODES + 1)]
    assert len(rosters.parse(signed(*most).body).nodes) == MAX_NODES
    assert rosters.parse_invitation(rosters.invitation(signed(*most))).roster.version == 7
    with pytest.raises(Malformed, match="1000 nodes"):
        signed(*most, member(MAX_NODES + 1))


def test_a_roster_of_more_than_half_a_mebibyte_is_not_even_read() -> None:
    with pytest.raises(Malformed, match="bytes"):
        rosters.parse(b" " * (rosters.MAX_BYTES + 1))
    rosters.parse(signed().body + b" " * 1000)


# --- invitations


def test_an_invitation_brings_key_and_roster_also_when_a_mail_program_broke_its_line() -> None:
    made = signed()
    line = rosters.invitation(made)
    assert line.startswith("corridor-join:")
    assert len(line.split()) == 1
    broken = "\n".join(["", *(line[at : at + 76] for at in range(0, len(line), 76)), ""])
    for text in (line, broken):
        found = rosters.parse_invitation(text)
        assert (found.key, found.roster) == (made.signer, made)


@pytest.mark.parametrize("cut", [1, 2, 50])
def test_an_invitation_that_was_cut_says_so(cut: int) -> None:
    line = rosters.invitation(signed())
    for text in (line[:-cut], line[:40] + line[40 + cut :]):
        with pytest.raises(Malformed, match="cut or damaged"):
            rosters.parse_invitation(text)


@pytest.mark.parametrize("text", ["", "corridor-join:", "join:abc", "https://eng.example", "corridor-join:" + "é" * 20])
def test_what_is_no_invitation_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        rosters.parse_invitation(text)


def invitation_of(doc: Any) -> str:
    """With a right checksum: made by somebody who knows how."""
    text = base64.urlsafe_b64encode(jcs.canonical(doc)).decode().rstrip("=")
    return "corridor-join:" + hashlib.sha256(text.encode()).hexdigest()[:8] + text


def test_a_whole_invitation_that_somebody_forged_is_told_from_a_cut_one() -> None:
    roster = msgspec.json.decode(signed().body)
    honest = {"key": keys.multibase(COMPANY.public_key()), "roster": roster}
    assert rosters.parse_invitation(invitation_of(honest)).roster == signed()
    with pytest.raises(SignatureInvalid):
        rosters.parse_invitation(invitation_of(honest | {"key": keys.multibase(OTHER.public_key())}))
    with pytest.raises(SignatureInvalid):
        rosters.parse_invitation(invitation_of(honest | {"roster": roster | {"version": 8}}))
    for bad in ({}, {"key": honest["key"]}, honest | {"key": 5}, honest | {"roster": []}, honest | {"more": 1}):
        with pytest.raises(Malformed):
            rosters.parse_invitation(invitation_of(bad))
