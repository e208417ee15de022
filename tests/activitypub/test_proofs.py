"""Proofs with the vectors of the W3C (vc-di-eddsa, eddsa-jcs-2022) and of FEP-8b32, and what must not pass."""

import copy
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from activitypub import base58, jcs, keys, proofs
from activitypub.errors import Malformed, SignatureInvalid

Doc = dict[str, Any]

# The pair of both specifications; the private half is multicodec 0x1300 in base58.
PAIR = Ed25519PrivateKey.from_private_bytes(base58.decode("z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq", 34)[2:])
MULTIBASE = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
CREATED = 1_677_281_798_000  # 2023-02-24T23:36:38Z
KEY_ID = "https://server.example/users/alice#ed25519-key"
OTHER = Ed25519PrivateKey.generate()

W3C: Doc = {
    "@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential", "AlumniCredential"],
    "name": "Alumni Credential",
    "description": "A minimum viable example of an Alumni Credential.",
    "issuer": "https://vc.example/issuers/5678",
    "validFrom": "2023-01-01T00:00:00Z",
    "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
}
W3C_PROOF = "z2HnFSSPPBzR36zdDgK8PbEHeXbR56YF24jwMpt3R1eHXQzJDMWS93FCzpvJpwTWd3GAVFuUfjoJdcnTMuVor51aX"
W3C_HASHES = (
    "66ab154f5c2890a140cb8388a22a160454f80575f6eae09e5a097cabe539a1db"
    "59b7cb6251b8991add1ce0bc83107e3db9dbbab5bd2c28f687db1a03abc92f19"
)


def fep(context: str) -> Doc:
    return {
        "@context": ["https://www.w3.org/ns/activitystreams", f"https://w3id.org/security/data-integrity/{context}"],
        "id": "https://server.example/activities/1",
        "type": "Create",
        "actor": "https://server.example/users/alice",
        "object": {
            "id": "https://server.example/objects/1",
            "type": "Note",
            "attributedTo": "https://server.example/users/alice",
            "content": "Hello world",
            "location": {"type": "Place", "longitude": -71.184902, "latitude": 25.273962},
        },
    }


FEP_PROOFS = {
    "v1": "zLaewdp4H9kqtwyrLatK4cjY5oRHwVcw4gibPSUDYDMhi4M49v8pcYk3ZB6D69dNpAPbUmY8ocuJ3m9KhKJEEg7z",
    "v2": "z42ffGu6AUKPCFcFPiabmUvnGLPJzC7e4DGWC52NUasSSH37UMa9c58tdgVszUcZfytxa4fQ5TYHaJENCxUDe9SdL",
}
# FEP-8b32 as of 2023, when a proof said nothing of the @context and its hash held none.
FEP_2023: Doc = {
    "@context": ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/data-integrity/v1"],
    "type": "Create",
    "actor": "https://server.example/users/alice",
    "object": {"type": "Note", "content": "Hello world"},
    "proof": {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "verificationMethod": KEY_ID,
        "proofPurpose": "assertionMethod",
        "proofValue": "z3sXaxjKs4M3BRicwWA9peyNPJvJqxtGsDmpt1jjoHCjgeUf71TRFz56osPSfDErszyLp5Ks1EhYSgpDaNM977Rg2",
        "created": "2023-02-24T23:36:38Z",
    },
}


@pytest.fixture
def signed() -> Doc:
    return proofs.sign(fep("v2"), PAIR, method=KEY_ID, created=CREATED)


def holds(doc: Doc, *, now: int | None = None, method: str = KEY_ID) -> bool:
    try:
        proofs.verify(doc, PAIR.public_key(), method=method, now=now)
    except SignatureInvalid:
        return False
    return True


# --- Vectors ------------------------------------------------------------------------------------------------------


def test_the_vector_of_the_w3c() -> None:
    did = f"did:key:{MULTIBASE}"
    made = proofs.sign(W3C, PAIR, method=f"{did}#{MULTIBASE}", created=CREATED)
    assert made["proof"]["proofValue"] == W3C_PROOF
    assert made["proof"]["@context"] == W3C["@context"]
    assert proofs.did_key(PAIR.public_key()) == did
    claim = proofs.presented(made)
    assert claim is not None
    proofs.verify(made, proofs.from_did_key(claim.method), method=claim.method, now=CREATED)


def test_the_hashes_of_the_w3c() -> None:
    proof = proofs.sign(W3C, PAIR, method=f"did:key:{MULTIBASE}#{MULTIBASE}", created=CREATED)["proof"]
    config = {name: value for name, value in proof.items() if name != "proofValue"}
    assert "".join(hashlib.sha256(jcs.canonical(one)).hexdigest() for one in (config, W3C)) == W3C_HASHES


@pytest.mark.parametrize("context", FEP_PROOFS)
def test_the_vectors_of_fep_8b32(context: str) -> None:
    made = proofs.sign(fep(context), PAIR, method=KEY_ID, created=CREATED)
    assert made["proof"]["proofValue"] == FEP_PROOFS[context]
    assert holds(made)


def test_a_proof_that_says_nothing_of_the_context_holds_as_it_did_in_2023() -> None:
    assert holds(FEP_2023)
    assert not holds({**FEP_2023, "@context": FEP_2023["@context"][:1]})


def test_a_proof_that_leaves_out_the_documents_context_holds_as_fedify_sends_it(signed: Doc) -> None:
    del signed["proof"]["@context"]
    assert holds(signed)
    signed["@context"] = "https://www.w3.org/ns/activitystreams"
    assert not holds(signed)


# --- What we make -------------------------------------------------------------------------------------------------


def test_signing_changes_nothing_and_gives_the_same_each_time(signed: Doc) -> None:
    doc = fep("v2")
    again = proofs.sign(doc, PAIR, method=KEY_ID, created=CREATED)
    assert doc == fep("v2")
    assert again == signed
    assert proofs.sign(signed, PAIR, method=KEY_ID, created=CREATED) == signed


def test_a_document_without_a_context_has_a_proof_without_one() -> None:
    made = proofs.sign({"type": "CorridorRoster", "version": 7}, PAIR, method=KEY_ID, created=CREATED)
    assert "@context" not in made["proof"]
    assert holds(made)
    made["proof"]["@context"] = "https://www.w3.org/ns/activitystreams"
    assert not holds(made)


def test_what_has_no_canonical_form_is_not_signed() -> None:
    with pytest.raises(Malformed):
        proofs.sign({"id": "x", "size": 2**60}, PAIR, method=KEY_ID, created=CREATED)


# --- What must not pass -------------------------------------------------------------------------------------------


def _set(*path: str, to: Any) -> Callable[[Doc], None]:
    def change(doc: Doc) -> None:
        for name in path[:-1]:
            doc = doc[name]
        doc[path[-1]] = to

    return change


def _drop(*path: str) -> Callable[[Doc], None]:
    def change(doc: Doc) -> None:
        for name in path[:-1]:
            doc = doc[name]
        del doc[path[-1]]

    return change


CHANGES: dict[str, Callable[[Doc], None]] = {
    "a word": _set("object", "content", to="Hello World"),
    "another property": _set("to", to=["https://www.w3.org/ns/activitystreams#Public"]),
    "a property less": _drop("object", "location"),
    "a number": _set("object", "location", "latitude", to=25.273963),
    "the context": _set("@context", to=["https://www.w3.org/ns/activitystreams"]),
    "the proof's context": _set("proof", "@context", to=["https://www.w3.org/ns/activitystreams"]),
    "the time": _set("proof", "created", to="2023-02-24T23:36:39Z"),
    "a later end": _set("proof", "expires", to="2033-02-24T23:36:39Z"),
    "the purpose": _set("proof", "proofPurpose", to="authentication"),
    "no purpose": _drop("proof", "proofPurpose"),
    "the type": _set("proof", "type", to="Ed25519Signature2020"),
    "the suite": _set("proof", "cryptosuite", to="eddsa-rdfc-2022"),
    "the key": _set("proof", "verificationMethod", to="https://server.example/users/bob#ed25519-key"),
    "no key": _drop("proof", "verificationMethod"),
    "a key that is none": _set("proof", "verificationMethod", to={"id": KEY_ID}),
    "no value": _drop("proof", "proofValue"),
    "an empty value": _set("proof", "proofValue", to=""),
    "a value that is none": _set("proof", "proofValue", to=["z"]),
    "a value in base64": _set("proof", "proofValue", to="uAAAA"),
    "a long value": _set("proof", "proofValue", to="z" + "1" * 100_000),
    "a value of zeros": _set("proof", "proofValue", to="z" + "1" * 64),
    "an unknown property": _set("proof", "id", to="urn:x"),
    "a domain": _set("proof", "domain", to="elsewhere.example"),
    "a challenge": _set("proof", "challenge", to="x"),
    "another proof before it": _set("proof", "previousProof", to="urn:x"),
    "no proof": _drop("proof"),
    "a proof that is none": _set("proof", to="yes"),
    "an empty list": _set("proof", to=[]),
    "a huge number": _set("object", "content", to=2**60),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_anything_is_refused(signed: Doc, change: Callable[[Doc], None]) -> None:
    assert holds(signed)
    change(signed)
    assert not holds(signed)


def test_several_proofs_are_refused_even_if_each_holds(signed: Doc) -> None:
    proof = signed["proof"]
    assert holds({**signed, "proof": [proof]})
    assert not holds({**signed, "proof": [proof, proof]})
    with pytest.raises(SignatureInvalid, match="more than one"):
        proofs.presented({**signed, "proof": [proof, {**proof, "cryptosuite": "bbs-2023"}]})


def test_another_key_is_refused(signed: Doc) -> None:
    with pytest.raises(SignatureInvalid):
        proofs.verify(signed, OTHER.public_key(), method=KEY_ID)
    forged = proofs.sign(fep("v2"), OTHER, method=KEY_ID, created=CREATED)
    assert not holds(forged)


def test_the_method_that_the_caller_has_looked_up_must_be_the_one_named(signed: Doc) -> None:
    assert not holds(signed, method="https://server.example/users/alice#other-key")


def test_times_are_judged_with_an_hour_for_clocks(signed: Doc) -> None:
    assert holds(signed, now=CREATED - proofs.MAX_SKEW_MS)
    assert not holds(signed, now=CREATED - proofs.MAX_SKEW_MS - 1)
    until = copy.deepcopy(signed)
    until["proof"]["expires"] = "2023-02-25T00:00:00Z"
    config = {name: value for name, value in until["proof"].items() if name != "proofValue"}
    until["proof"]["proofValue"] = base58.encode(PAIR.sign(proofs._hashed(config, fep("v2"))))
    end = CREATED + 23 * 60_000 + 22_000
    assert holds(until, now=end + proofs.MAX_SKEW_MS)
    assert not holds(until, now=end + proofs.MAX_SKEW_MS + 1)


@pytest.mark.parametrize("name", ["created", "expires"])
@pytest.mark.parametrize("value", ["soon", 5, None, ["2023-02-24T23:36:38Z"], "9999-01-01T00:00:00Z"])
def test_a_time_that_is_none_is_refused(signed: Doc, name: str, value: Any) -> None:
    signed["proof"][name] = value
    with pytest.raises(SignatureInvalid):
        proofs.presented(signed)


def test_an_ld_signature_beside_the_proof_is_no_part_of_it(signed: Doc) -> None:
    assert holds({**signed, "signature": {"type": "RsaSignature2017", "signatureValue": "…"}})
    assert not holds({**signed, "signature": "a string is content, not a signature"})


def test_a_proof_of_another_suite_is_none_of_ours(signed: Doc) -> None:
    signed["proof"]["cryptosuite"] = "eddsa-rdfc-2022"
    assert proofs.presented(signed) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(["type", "cryptosuite", "verificationMethod", "proofPurpose", "proofValue", "created", "@context"]),
)
def test_nothing_but_our_own_errors_comes_of_a_strange_proof(value: Any, name: str) -> None:
    signed = proofs.sign(fep("v2"), PAIR, method=KEY_ID, created=CREATED)
    strange = {**signed, "proof": {**signed["proof"], name: value}}
    if value != signed["proof"][name]:
        assert not holds(strange)
    assert not holds({**signed, "proof": value})


# --- did:key ------------------------------------------------------------------------------------------------------


def test_a_did_key_is_read_back() -> None:
    did = proofs.did_key(OTHER.public_key())
    assert proofs.from_did_key(did) == OTHER.public_key()
    assert proofs.from_did_key(f"{did}#{did.removeprefix('did:key:')}") == OTHER.public_key()


@pytest.mark.parametrize(
    "text",
    [
        "",
        MULTIBASE,
        f"did:web:{MULTIBASE}",
        f"did:key:{MULTIBASE}#other",
        f"did:key:{MULTIBASE[:-1]}",
        f"did:key:{MULTIBASE}1",
        f"did:key:m{MULTIBASE[1:]}",
        "did:key:z" + "1" * 46,
    ],
)
def test_another_did_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        proofs.from_did_key(text)


# --- base58 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "text"), [(b"", "z"), (b"Hello World!", "z2NEpo7TZRRrLZSi2U"), (b"\0\0(\x7f\xb4\xcd", "z11233QC4")]
)
def test_base58_as_its_draft_has_it(data: bytes, text: str) -> None:
    assert base58.encode(data) == text
    assert base58.decode(text, len(data)) == data


@given(st.binary(max_size=80))
def test_base58_is_read_back_at_its_own_length_only(data: bytes) -> None:
    text = base58.encode(data)
    assert base58.decode(text, len(data)) == data
    for length in (len(data) - 1, len(data) + 1):
        if length >= 0:
            with pytest.raises(Malformed):
                base58.decode(text, length)


def test_a_multibase_key_has_one_spelling() -> None:
    assert keys.multibase(keys.from_multibase(MULTIBASE)) == MULTIBASE
    with pytest.raises(Malformed):
        keys.from_multibase("z1" + MULTIBASE[1:])
