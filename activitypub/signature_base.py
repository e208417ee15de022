"""From the headers of a signed request to the bytes that were signed, for both flavours of HTTP signatures.

No policy in here beyond reading strictly: whatever is repeated, ambiguous or unknown is an error. What must
be signed, and how fresh it must be, is `signatures.presented`, which everybody else calls.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl, quote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from activitypub import structured_fields
from activitypub.errors import Malformed, SignatureInvalid
from activitypub.keys import PublicKey
from activitypub.structured_fields import InnerList, Item, Token
from activitypub.vocabulary import Iri

T = TypeVar("T")
Fields = Mapping[str, list[str]]  # header name in lower case -> values, in the order of arrival

MAX_FIELD_CHARS = 8192  # of Signature and Signature-Input
MAX_COMPONENTS = 64

# Two of one of these could be read one way by us and another way by whoever signed or forwarded the request.
_SINGLE_FIELDS = (
    "signature",
    "signature-input",
    "digest",
    "content-digest",
    "date",
    "host",
    "content-type",
    "content-length",
)
_RSA_NAMES = frozenset({"rsa-sha256", "rsa-v1_5-sha256"})
# hs2019 is "whatever the key says". The draft then wants RSASSA-PSS for RSA; the whole fediverse uses PKCS#1
# v1.5.
_CAVAGE_ALGORITHMS = frozenset({None, "hs2019", "rsa-sha256", "ed25519"})
_RFC9421_ALGORITHMS = frozenset({None, "rsa-v1_5-sha256", "ed25519"})
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# All patterns are anchored and possessive: time linear in the length of what a stranger sent.
_METHOD = re.compile(r"[A-Z]++")
_TARGET = re.compile(r"/[!\"$-~]*+")  # origin-form, printable ASCII without '#'
_PARAMETER = re.compile(r'([A-Za-z]++)=(?:"([^"\\]*+)"|([A-Za-z0-9!#$%&\'*+.^_`|~-]++))')
_COMMA = re.compile(r"[ \t]*+,[ \t]*+")
_UNIX_TIME = re.compile(r"[0-9]{1,12}+(?:\.[0-9]{1,9}+)?+")
_HTTP_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)


class Flavour(StrEnum):
    CAVAGE = "cavage"
    RFC9421 = "rfc9421"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived. `target` is path and query exactly as on the wire; header names are in lower
    case, repeated headers are kept apart, and values are decoded as latin-1; `body` is raw.
    """

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class VerifyKey:
    id: Iri
    owner: Iri
    public: PublicKey


@dataclass(frozen=True, slots=True)
class Presented:
    """A signature that was found in order as far as one can tell without its key. Proves nothing before
    `verify`.

    `created` and `expires` are seconds since the epoch; `created` comes from the Date header if need be.
    `covered` names the signed headers and derived components. `base` is the signature base (cavage: signing
    string).
    """

    key_id: str
    flavour: Flavour
    algorithm: str | None
    covered: frozenset[str]
    created: float
    expires: float | None
    nonce: str | None
    base: bytes
    signature: bytes

    def verify(self, key: VerifyKey) -> None:
        """Raises SignatureInvalid unless this very key made the signature."""
        if key.id != self.key_id:
            raise SignatureInvalid("signed with another key than the one given")
        rsa = isinstance(key.public, RSAPublicKey)
        if self.algorithm not in (None, "hs2019") and (self.algorithm in _RSA_NAMES) != rsa:
            raise SignatureInvalid(f"declared as {self.algorithm}, but the key is of another type")
        try:
            if isinstance(key.public, RSAPublicKey):
                key.public.verify(self.signature, self.base, PKCS1v15(), SHA256())
            else:
                key.public.verify(self.signature, self.base)
        except InvalidSignature as error:
            raise SignatureInvalid("the signature does not match the request") from error


def read(request: Request, fields: Fields, *, authority: str, scheme: str) -> Presented:
    """Find the signature and rebuild what it signed. Signature-Input, if it is there, decides for RFC 9421
    alone.

    `fields` are `header_fields(request)`; `authority` is normalised. Raises SignatureInvalid.
    """
    if not _METHOD.fullmatch(request.method):  # cavage signs it in lower case: `PoSt` would pass for POST
        raise SignatureInvalid("no HTTP method")
    if not _TARGET.fullmatch(request.target):
        raise SignatureInvalid("the request target is not a plain path and query")
    if "signature-input" in fields:
        return _read_rfc9421(request, fields, authority, scheme)
    if "signature" in fields:
        return _read_cavage(request, fields)
    raise SignatureInvalid("the request is not signed")


def header_fields(request: Request) -> Fields:
    """Raises SignatureInvalid if a header that may come once comes twice."""
    fields: dict[str, list[str]] = {}
    for name, value in request.headers:
        fields.setdefault(name.lower(), []).append(value.strip(" \t"))
    for name in _SINGLE_FIELDS:
        if len(fields.get(name, ())) > 1:
            raise SignatureInvalid(f"more than one {name} header")
    return fields


def field(fields: Fields, name: str) -> str:
    """All values of a header as one. Raises SignatureInvalid if it is absent."""
    values = fields.get(name)
    if values is None:
        raise SignatureInvalid(f"the header {name[:40]!r} is signed or needed, but absent")
    return ", ".join(values)


def normalised(authority: str, scheme: str) -> str:
    """Lower case, without the scheme's default port."""
    host, _, port = authority.lower().rpartition(":")
    return host if host and port == _DEFAULT_PORTS.get(scheme) else authority.lower()


def http_date(text: str) -> float:
    """Seconds since the epoch of an IMF-fixdate (RFC 9110 §5.6.7), the only form that anybody may send."""
    match = _HTTP_DATE.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        raise SignatureInvalid("the Date header cannot be read")
    month = _MONTHS.index(match[2]) + 1
    day, year, hour, minute, second = (int(match[i]) for i in (1, 3, 4, 5, 6))
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise SignatureInvalid("the Date header names no moment") from error
    return moment.timestamp()


def _read_cavage(request: Request, fields: Fields) -> Presented:
    params = _cavage_params(_signature_text(fields, "signature"))
    algorithm = _text_param(params, "algorithm")
    if algorithm not in _CAVAGE_ALGORITHMS:
        raise SignatureInvalid("an algorithm that we do not accept")
    names = (_text_param(params, "headers", "(created)") or "").lower().split(" ")
    if len(names) > MAX_COMPONENTS or len(set(names)) != len(names):
        raise SignatureInvalid("a list of signed headers that is too long or repeats one")
    times: dict[str, float] = {}
    lines = []
    for name in names:
        if name == "(request-target)":
            value = f"{request.method.lower()} {request.target}"
        elif name in ("(created)", "(expires)"):
            if algorithm not in (None, "hs2019"):  # draft §2.3, items 2 and 3
                raise SignatureInvalid(f"{name} goes with hs2019 only")
            value = _unix_time(params, name[1:-1])
            times[name] = float(value)
        else:
            # Host is signed as it was sent, say with a default port. That it means us has been checked by
            # now.
            value = field(fields, name)
            if name == "date":
                times.setdefault("(created)", http_date(value))
        lines.append(f"{name}: {value}")
    if "(created)" not in times:
        raise SignatureInvalid("neither Date nor (created) is signed")
    return Presented(
        key_id=_key_id(_text_param(params, "keyid")),
        flavour=Flavour.CAVAGE,
        algorithm=algorithm,
        covered=frozenset(names),
        created=times["(created)"],
        expires=times.get("(expires)"),
        nonce=None,
        base=_joined(lines),
        signature=_base64(_required(_text_param(params, "signature"), "signature")),
    )


def _cavage_params(text: str) -> dict[str, tuple[str, bool]]:
    """Parameter name in lower case -> (value, whether it was quoted)."""
    params: dict[str, tuple[str, bool]] = {}
    at = 0
    while True:
        match = _PARAMETER.match(text, at)
        if match is None:
            raise SignatureInvalid("the Signature header cannot be read")
        name = match[1].lower()  # auth-param names are; so `keyid` beside `keyId` is a repetition
        if name in params:
            raise SignatureInvalid("a repeated parameter in the Signature header")
        quoted = match[2] is not None
        params[name] = (match[2] if quoted else match[3], quoted)
        at = match.end()
        if at == len(text):
            return params
        comma = _COMMA.match(text, at)
        if comma is None:
            raise SignatureInvalid("the Signature header cannot be read")
        at = comma.end()


def _text_param(params: Mapping[str, tuple[str, bool]], name: str, default: str | None = None) -> str | None:
    return params[name][0] if name in params else default


def _unix_time(params: Mapping[str, tuple[str, bool]], name: str) -> str:
    value, quoted = params.get(name, ("", False))
    if quoted or not _UNIX_TIME.fullmatch(value) or (name == "created" and "." in value):
        raise SignatureInvalid(f"`{name}` is missing or not a number")
    return value


def _read_rfc9421(request: Request, fields: Fields, authority: str, scheme: str) -> Presented:
    try:
        inputs = structured_fields.dictionary(_signature_text(fields, "signature-input"))
        signatures = structured_fields.dictionary(_signature_text(fields, "signature"))
    except Malformed as error:
        raise SignatureInvalid(f"Signature-Input and Signature cannot be read: {error}") from error
    if len(inputs) != 1 or inputs.keys() != signatures.keys():
        raise SignatureInvalid("not exactly one signature with its input")
    (given,) = inputs.values()
    (signature,) = signatures.values()
    if not isinstance(given, InnerList) or not isinstance(signature, Item):
        raise SignatureInvalid("Signature-Input and Signature are of the wrong types")
    if not isinstance(signature.value, bytes) or len(given.items) > MAX_COMPONENTS:
        raise SignatureInvalid("Signature is no byte sequence, or covers too much")
    algorithm = _string_param(given, "alg")
    if algorithm not in _RFC9421_ALGORITHMS:
        raise SignatureInvalid("an algorithm that we do not accept")
    lines = []
    covered: set[tuple[str, str | None]] = set()
    for item in given.items:
        identity, value = _component(item, request, fields, authority, scheme)
        if identity in covered:
            raise SignatureInvalid("a repeated component in Signature-Input")
        covered.add(identity)
        lines.append(f"{item.raw}: {value}")
    # As received, never serialised anew: the sender signed its own spelling.
    lines.append(f'"@signature-params": {given.raw}')
    return Presented(
        key_id=_key_id(_string_param(given, "keyid")),
        flavour=Flavour.RFC9421,
        algorithm=algorithm,
        covered=frozenset(name for name, _ in covered),
        created=_required(_integer_param(given, "created"), "created"),
        expires=_integer_param(given, "expires"),
        nonce=_string_param(given, "nonce"),
        base=_joined(lines),
        signature=signature.value,
    )


def _component(
    item: Item, request: Request, fields: Fields, authority: str, scheme: str
) -> tuple[tuple[str, str | None], str]:
    """Identity and value of one covered component (RFC 9421 §2.1, §2.2)."""
    name = item.value
    if not isinstance(name, str) or isinstance(name, Token) or name != name.lower():
        raise SignatureInvalid("a component name that is no string in lower case")
    path, _, query = request.target.partition("?")
    if name == "@query-param":
        wanted = item.params.get("name")
        if item.params.keys() != {"name"} or not isinstance(wanted, str) or isinstance(wanted, Token):
            raise SignatureInvalid("@query-param takes one name")
        return (name, wanted), _query_param(query, wanted)
    if item.params:
        # sf, key, bs, req and tr: nobody in the fediverse sends them, and each is another way to read a
        # header.
        raise SignatureInvalid("a component parameter that we do not accept")
    derived = {
        "@method": request.method,
        "@target-uri": f"{scheme}://{authority}{request.target}",
        "@authority": authority,
        "@scheme": scheme,
        "@request-target": request.target,
        "@path": path,
        "@query": f"?{query}",
    }
    value = derived.get(name)
    if value is None:
        if name.startswith("@"):
            raise SignatureInvalid("a derived component that we do not know")
        value = field(fields, name)
    return (name, None), value


def _query_param(query: str, wanted: str) -> str:
    """RFC 9421 §2.2.8; names and values are compared and signed re-encoded."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_COMPONENTS)
    except ValueError as error:
        raise SignatureInvalid("too many query parameters") from error
    values = [value for name, value in pairs if _form_encoded(name) == wanted]
    if len(values) != 1:
        raise SignatureInvalid("a signed query parameter is absent or repeated")
    return _form_encoded(values[0])


def _form_encoded(text: str) -> str:
    return quote(text, safe="*").replace("~", "%7E")


def _string_param(given: InnerList, name: str) -> str | None:
    value = given.params.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or isinstance(value, Token):
        raise SignatureInvalid(f"the parameter `{name}` is no string")
    return value


def _integer_param(given: InnerList, name: str) -> int | None:
    value = given.params.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise SignatureInvalid(f"the parameter `{name}` is no integer")
    return value


def _key_id(value: str | None) -> str:
    key_id = _required(value, "keyid")
    if not key_id or not key_id.isprintable():
        raise SignatureInvalid("`keyid` is empty or holds control characters")
    return key_id


def _required(value: T | None, name: str) -> T:
    if value is None:
        raise SignatureInvalid(f"the signature has no `{name}`")
    return value


def _signature_text(fields: Fields, name: str) -> str:
    text = field(fields, name)
    if len(text) > MAX_FIELD_CHARS or not text.isascii():
        raise SignatureInvalid(f"the header {name} is too long or not ASCII")
    return text


def _joined(lines: Sequence[str]) -> bytes:
    """A value with a line break in it could pose as several lines."""
    base = "\n".join(lines)
    if base.count("\n") != len(lines) - 1 or "\r" in base or not base.isascii():
        raise SignatureInvalid("a signed value that holds line breaks or is not ASCII")
    return base.encode("ascii")


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise SignatureInvalid("the signature is not base64") from error
