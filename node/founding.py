"""The company administrator's folder: the company's key, the nodes to be, and the roster that was signed last.

    company.json            the company's name, its first key, the nodes as they are to be signed next
    company-z6Mk….key       a company key (PEM, encrypted if a passphrase was given); a second one while the key is changed
    roster.json             the roster signed last
    invitation.txt          the line that brings that roster to a node

Nothing of it belongs to any node: the folder is best kept off the machines that serve.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from activitypub import keys
from activitypub import roster as rosters
from activitypub.errors import Malformed, ProtocolError
from activitypub.roster import Member, Roster
from node.errors import Conflict, Invalid, NotFound

COMPANY_FILE = "company.json"
ROSTER_FILE = "roster.json"
INVITATION_FILE = "invitation.txt"
DAYS = 365
MAX_DAYS = rosters.MAX_LIFE_MS // 86_400_000
DAY_MS = 86_400_000

Passphrase = Callable[[], str]
"""Asked for only when a key file is encrypted."""


class Draft(msgspec.Struct, frozen=True):
    """What will be signed next. `days`: how long a roster is valid, unless `sign` is told otherwise."""

    company: str
    key: str
    days: int = DAYS
    nodes: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class Signed:
    """`came` and `went`: domains, against the roster before. `retired`: the company key that counts no more, if any."""

    roster: Roster
    came: tuple[str, ...]
    went: tuple[str, ...]
    invitation: str
    retired: str | None


def found(folder: Path, company: str, *, days: int = DAYS, passphrase: str = "") -> Draft:
    """A new company in an empty folder. Raises Conflict, Invalid."""
    _check_days(days)
    name = company.strip()
    if not name or len(name) > rosters.MAX_NAME or not name.isprintable():
        raise Invalid(f"a company has a name of at most {rosters.MAX_NAME} characters", "company")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} is not an empty folder: nothing was written")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = Draft(name, _new_key(folder, passphrase), days)
    _write_draft(folder, draft)
    return draft


def draft_of(folder: Path) -> Draft:
    """Raises NotFound if there is no company in the folder, Invalid for a file that cannot be read."""
    path = folder / COMPANY_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Draft)
    except FileNotFoundError as error:
        raise NotFound(f"{folder} holds no company; `corridor roster init` founds one") from error
    except msgspec.DecodeError as error:
        raise Invalid(f"{path}: {error}") from error


def last_signed(folder: Path) -> Roster | None:
    """The roster signed last. Raises Invalid for a file that is none, or whose signature does not hold."""
    path = folder / ROSTER_FILE
    try:
        found = rosters.parse(path.read_bytes())
        rosters.verify(found, found.signer)
    except FileNotFoundError:
        return None
    except ProtocolError as error:
        raise Invalid(f"{path}: {error}") from error
    return found


def add(folder: Path, member: Member) -> bool:
    """Put a node on the list, or change its line; True if it is new. It counts once the list is signed.

    Raises Invalid for what cannot stand on a roster, Conflict if another node has this identity.
    """
    draft = draft_of(folder)
    try:
        rosters.check_member(member)
    except Malformed as error:
        raise Invalid(str(error)) from error
    others = tuple(one for one in draft.nodes if one.domain != member.domain)
    if clash := next((one for one in others if one.identity == member.identity), None):
        raise Conflict(f"{clash.domain} has this identity key already")
    if len(others) >= rosters.MAX_NODES:
        raise Conflict(f"a roster lists {rosters.MAX_NODES} nodes at the most")
    _write_draft(folder, msgspec.structs.replace(draft, nodes=(*others, member)))
    return len(others) == len(draft.nodes)


def remove(folder: Path, domain: str) -> None:
    """Raises NotFound."""
    draft = draft_of(folder)
    left = tuple(one for one in draft.nodes if one.domain != domain)
    if len(left) == len(draft.nodes):
        raise NotFound(f"{domain} is not on the list")
    _write_draft(folder, msgspec.structs.replace(draft, nodes=left))


def sign(folder: Path, *, now: int, passphrase: Passphrase, days: int | None = None, next_key: bool = False) -> Signed:
    """Sign the list as the next version, valid for `days` from `now` (ms). With `next_key`, it names a new company key.

    The key that the roster before named signs this one, and the old one is of no more use. Raises Invalid, NotFound.
    """
    draft, last = draft_of(folder), last_signed(folder)
    _check_days(days if days is not None else draft.days)
    if not draft.nodes:
        raise Invalid("there is no node on the list; `corridor roster add` puts one on it")
    public = draft.key if last is None else last.next_key or last.signer
    key, secret = _open_key(folder, public, passphrase)
    new = rosters.sign(
        key,
        company=draft.company,
        version=last.version + 1 if last is not None else 1,
        issued=now,
        expires=now + (days if days is not None else draft.days) * DAY_MS,
        nodes=draft.nodes,
        next_key=_new_key(folder, secret) if next_key else None,
    )
    invitation = rosters.invitation(new)
    _write(folder / ROSTER_FILE, new.body, 0o644)
    _write(folder / INVITATION_FILE, invitation.encode() + b"\n", 0o600)
    were = {one.domain for one in last.nodes} if last is not None else set()
    are = {one.domain for one in new.nodes}
    retired = last.signer if last is not None and last.signer != public else None
    return Signed(new, tuple(sorted(are - were)), tuple(sorted(were - are)), invitation, retired)


def key_file(folder: Path, public: str) -> Path:
    return folder / f"company-{public}.key"


def _check_days(days: int) -> None:
    if not 1 <= days <= MAX_DAYS:
        raise Invalid(f"a roster is valid for 1 to {MAX_DAYS} days", "days")


def _new_key(folder: Path, passphrase: str) -> str:
    """Make a key pair; its public half."""
    key = keys.generate_ed25519()
    public = keys.multibase(key.public_key())
    encryption = (
        serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    _write(key_file(folder, public), pem, 0o600)
    return public


def _open_key(folder: Path, public: str, passphrase: Passphrase) -> tuple[Ed25519PrivateKey, str]:
    """(the key, the passphrase it was opened with). Raises NotFound, Invalid."""
    path = key_file(folder, public)
    try:
        pem = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"{path} is missing: without the company's key nothing can be signed") from error
    secret = passphrase() if b"ENCRYPTED" in pem else ""
    try:
        key = serialization.load_pem_private_key(pem, secret.encode() or None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Invalid(f"{path} cannot be opened: wrong passphrase, or a damaged file") from error
    if not isinstance(key, Ed25519PrivateKey) or keys.multibase(key.public_key()) != public:
        raise Invalid(f"{path} holds another key than its name says")
    return key, secret


def _write_draft(folder: Path, draft: Draft) -> None:
    text = msgspec.json.format(msgspec.json.encode(draft), indent=2)
    _write(folder / COMPANY_FILE, text + b"\n", 0o600)


def _write(path: Path, data: bytes, mode: int) -> None:
    """As a whole or not at all, and on disk when this returns."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)
