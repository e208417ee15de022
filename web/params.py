"""What clients send, in any of their spellings, as one nested form with typed getters.

    form = await params.read(request)                  # query and body; POST/PUT/PATCH/DELETE alike
    text = form.text("status")                         # str; "" when absent
    form.boolean("sensitive", None)                    # True/False/1/0/"on"/"t"/… in every spelling, or the default
    form.integer("limit", 20, lo=1, hi=80)             # clamped into lo…hi
    form.moment("scheduled_at")                        # "2026-05-01T18:00:00Z" in ms; None when absent
    form.ids("media_ids")                              # x[]=1, x[0]=1, x=1&x=2, ["1", 2]: [1, 2]
    form.texts("account_id")                           # the same as texts
    form.group("source").text("privacy")               # source[privacy]=…, {"source": {"privacy": …}}
    form.groups("fields_attributes")                   # fields_attributes[0][name]=…, [{"name": …}]: in order
    form.file("avatar")                                # UploadFile or None
    form.has("spoiler_text")                           # sent at all? (an empty value counts)

    page = params.page(request, default=20, max=40)    # limit, max_id, since_id, min_id of the query
    id_ = params.path_id(request, "id")                # NotFound if that can be no id

Bodies are form, multipart or JSON. What cannot be read is 400, too much 413, another content type 415, a wrong value
Invalid (422) with the name of its field. Uploads are only taken where the handler says `read(request, uploads=True)`.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from activitypub.errors import Malformed
from activitypub.strict_json import load
from node.errors import Invalid, NotFound
from node.paging import Page
from web.errors import BadRequest, TooLarge, WrongType
from web.parts import parts_of

MAX_FIELDS = 1000
MAX_DEPTH = 8
MAX_FILES = 20
LAST_ID = (1 << 63) - 1
_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_TRUE = frozenset({"1", "true", "t", "on", "yes", "y"})
_FALSE = frozenset({"0", "false", "f", "off", "no", "n"})
_MISSING = object()
_UPLOAD_ROOM = 64 * 1024
"""What the other fields of an upload may take beside the files, in bytes."""


class _Repeated(list[Any]):
    """Values of `x=1&x=2`: one for who asks for one (the last), all for who asks for a list."""


class Params(Mapping[str, Any]):
    """One level of what was sent: name -> text, number, boolean, None, UploadFile, list or dict. See the module."""

    __slots__ = ("_path", "_values")

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self._values = values
        self._path = path

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def has(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, default: str = "", *, max_len: int = 100_000) -> str:
        """The value as text; `default` when it is absent or null."""
        found = self.text_or_none(name, max_len=max_len)
        return default if found is None else found

    def text_or_none(self, name: str, *, max_len: int = 100_000) -> str | None:
        value = self._one(name)
        return None if value is None else _text(value, self._field(name), max_len)

    def required(self, name: str, *, max_len: int = 100_000) -> str:
        """Text that must be there and not blank."""
        value = self.text(name, max_len=max_len)
        if not value.strip():
            raise Invalid(f"{self._field(name)} can't be blank", self._field(name))
        return value

    def boolean(self, name: str, default: bool | None = False) -> bool | None:
        """True or False, or `default` when it is absent, null or empty."""
        value = self._one(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        word = str(value).strip().casefold() if isinstance(value, (str, int, float)) else "?"
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        if word == "":
            return default
        raise Invalid(f"{self._field(name)} must be true or false", self._field(name))

    def flag(self, name: str, default: bool = False) -> bool:
        """As `boolean`, with a default that is True or False."""
        return bool(self.boolean(name, default))

    def integer(
        self, name: str, default: int | None = None, *, lo: int = 0, hi: int = LAST_ID, clamp: bool = True
    ) -> int | None:
        """A whole number within lo…hi: pulled into them, or Invalid outside them with clamp=False."""
        value = self._one(name)
        if value is None or value == "":
            return default
        number = _integer(value, self._field(name))
        if clamp:
            return min(max(number, lo), hi)
        if not lo <= number <= hi:
            raise Invalid(f"{self._field(name)} must be between {lo} and {hi}", self._field(name))
        return number

    def number(self, name: str) -> float | None:
        value = self._one(name)
        if value is None or value == "":
            return None
        try:
            number = float(value) if not isinstance(value, bool) else None
        except (TypeError, ValueError):
            number = None
        if number is None or number != number or abs(number) > 1e15:
            raise Invalid(f"{self._field(name)} must be a number", self._field(name))
        return number

    def moment(self, name: str) -> int | None:
        """A time or a date (RFC 3339; UTC if it says nothing) as ms since 1970; None when absent, null or empty."""
        written = self.text(name, max_len=100).strip()
        if not written:
            return None
        try:
            found = datetime.fromisoformat(written)
            # In UTC first: the far end of the calendar has no UTC, and could be stored but not shown.
            return int((found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).timestamp() * 1000)
        except (ValueError, OverflowError) as error:
            raise Invalid(f"{self._field(name)} must be a date or a time", self._field(name)) from error

    def id(self, name: str) -> int | None:
        """An id of ours; None when absent, null or empty."""
        value = self._one(name)
        return None if value is None or value == "" else _id(value, self._field(name))

    def ids(self, name: str, *, max_items: int = 500) -> list[int]:
        return [_id(value, self._field(name)) for value in self._many(name, max_items) if value not in (None, "")]

    def texts(self, name: str, *, max_items: int = 500, max_len: int = 10_000) -> list[str]:
        """Texts, nulls left out; a single value is a list of one."""
        found = self._many(name, max_items)
        return [_text(value, self._field(name), max_len) for value in found if value is not None]

    def file(self, name: str) -> UploadFile | None:
        """An upload; None when absent or sent empty, as browsers send an empty file field."""
        value = self._one(name)
        if value is None or value == "":
            return None
        if not isinstance(value, UploadFile):
            raise Invalid(f"{self._field(name)} must be a file", self._field(name))
        return value if value.filename or value.size else None

    def group(self, name: str) -> "Params":
        """What is nested under `name`; empty when absent."""
        value = self._values.get(name)
        if value is None or value == "":
            return Params({}, self._field(name))
        if not isinstance(value, dict):
            raise Invalid(f"{self._field(name)} must be an object", self._field(name))
        return Params(value, self._field(name))

    def groups(self, name: str, *, max_items: int = 100) -> list["Params"]:
        """A list of nested groups, whether sent as `x[0][y]`, `x[][y]` or a JSON list of objects."""
        found = self._many(name, max_items)
        if not all(isinstance(value, dict) for value in found):
            raise Invalid(f"{self._field(name)} must be a list of objects", self._field(name))
        return [Params(value, f"{self._field(name)}[{number}]") for number, value in enumerate(found)]

    def _field(self, name: str) -> str:
        return f"{self._path}[{name}]" if self._path else name

    def _one(self, name: str) -> Any:
        value = self._values.get(name)
        return value[-1] if isinstance(value, _Repeated) else value

    def _many(self, name: str, max_items: int) -> list[Any]:
        value = self._values.get(name, _MISSING)
        if value is _MISSING or value is None:
            return []
        if isinstance(value, dict):
            if not all(key.isascii() and key.isdigit() for key in value):
                raise Invalid(f"{self._field(name)} must be a list", self._field(name))
            value = [value[key] for key in sorted(value, key=lambda key: (len(key), key))]
        elif not isinstance(value, list):
            value = [value]
        if len(value) > max_items:
            raise Invalid(f"{self._field(name)} has more than {max_items} items", self._field(name))
        return value


# --- reading requests --------------------------------------------------------


async def read(request: Request, *, uploads: bool = False, most: int | None = None) -> Params:
    """Query and body as one; where both name the same thing, the body wins. Raises BadRequest, TooLarge, WrongType.

    `most` is how large uploads may be in all, in bytes, where that is more than one image.
    """
    values = _nest(_pairs(request.scope["query_string"])) if request.scope["query_string"] else {}
    if has_body(request):
        values.update(await _body(request, uploads, most))
    return Params(values)


def has_body(request: Request) -> bool:
    headers = request.headers
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


async def raw_body(request: Request, limit: int) -> bytes:
    """The bytes of the body. TooLarge as soon as more than `limit` of them came."""
    return b"".join([chunk async for chunk in _limited(request, limit)])


async def _body(request: Request, uploads: bool, most: int | None) -> dict[str, Any]:
    settings = parts_of(request).settings
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    limit = settings.server.max_body_bytes
    if kind == _MULTIPART:
        return await _multipart(
            request, (most or settings.media.max_bytes) + _UPLOAD_ROOM if uploads else limit, uploads
        )
    body = await raw_body(request, limit)
    if not body.strip():
        return {}
    if kind == _FORM:
        return _nest(_pairs(body))
    if kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")):
        try:
            return load(body, max_depth=MAX_DEPTH)
        except Malformed as error:
            raise BadRequest(f"The body cannot be read: {error}") from error
    raise WrongType("Send a form, multipart/form-data or application/json")


async def _multipart(request: Request, limit: int, uploads: bool) -> dict[str, Any]:
    files = MAX_FILES if uploads else 0
    headers = Headers(raw=request.scope["headers"])
    stream = _limited(request, limit)
    parser = MultiPartParser(headers, stream, max_files=files, max_fields=MAX_FIELDS)  # type: ignore[arg-type]
    try:
        async with contextlib.aclosing(stream):  # type: ignore[type-var]
            form: FormData = await parser.parse()
    except MultiPartException as error:
        raise BadRequest(f"The body cannot be read: {error.message}") from error
    request.scope["corridor.uploads"] = form
    return _nest(form.multi_items())


async def close_uploads(scope: Mapping[str, Any]) -> None:
    """Remove the temporary files of a request; the application calls it when the answer is out."""
    form = scope.get("corridor.uploads")
    if form is not None:
        await form.close()


async def _limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:20]) > limit:
        raise TooLarge()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLarge()
        yield chunk


def _pairs(encoded: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            encoded.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict", separator="&"
        )
    except ValueError as error:  # not UTF-8, or too many fields
        raise BadRequest("The parameters cannot be read") from error


def _nest(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """`a[b][0]=x` and `a[][b]=x` as dicts and lists, as Rails reads them."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        if "[" not in name:
            _put(tree, name, value)
            continue
        steps = _steps(name)
        if len(steps) > MAX_DEPTH:
            raise BadRequest("The parameters are nested too deep")
        _descend(tree, steps, value)
    return tree


def _steps(name: str) -> list[str]:
    """`a[b][]` -> ["a", "b", ""]; a name whose brackets do not fit is one step."""
    head, _, rest = name.partition("[")
    if not head or not rest.endswith("]"):
        return [name]
    return [head, *rest[:-1].split("][")]


def _descend(tree: dict[str, Any], steps: list[str], value: Any) -> None:
    place: dict[str, Any] = tree
    for number, step in enumerate(steps[:-1]):
        following = steps[number + 1]
        if following == "":
            items = place.setdefault(step, [])
            if not isinstance(items, list):
                raise BadRequest(f"{step} is sent in two ways")
            if number + 2 == len(steps):
                items.append(value)
                return
            place = _last_group(items, steps[number + 2])
            _descend(place, steps[number + 2 :], value)
            return
        inner = place.setdefault(step, {})
        if not isinstance(inner, dict):
            raise BadRequest(f"{step} is sent in two ways")
        place = inner
    _put(place, steps[-1], value)


def _last_group(items: list[Any], key: str) -> dict[str, Any]:
    """The group that `x[][key]` belongs to: a new one when the last has that key already."""
    if not items or not isinstance(items[-1], dict) or key in items[-1]:
        items.append({})
    last: dict[str, Any] = items[-1]
    return last


def _put(place: dict[str, Any], name: str, value: Any) -> None:
    if name not in place:
        place[name] = value
    elif isinstance(place[name], list):
        place[name].append(value)
    elif isinstance(place[name], dict):
        raise BadRequest(f"{name} is sent in two ways")
    else:
        place[name] = _Repeated([place[name], value])


# --- paging and paths --------------------------------------------------------


def page(request: Request, *, default: int = 20, max: int = 40) -> Page:
    """The page that the query asks for. `limit` is pulled into 1…max; ids that are none are Invalid."""
    if not request.scope["query_string"]:
        return Page(default)
    query = Params(_nest(_pairs(request.scope["query_string"])))
    return page_of(query, default=default, max=max)


def page_of(query: Params, *, default: int = 20, max: int = 40) -> Page:
    """The same of parameters that have been read."""
    limit = query.integer("limit", default, lo=1, hi=max) or default
    return Page(limit, query.id("max_id"), query.id("since_id"), query.id("min_id"))


def query(request: Request) -> Params:
    """The parameters of the query alone, without reading the body."""
    return Params(_nest(_pairs(request.scope["query_string"])))


def path_id(request: Request, name: str = "id") -> int:
    """An id in the path. What can be no id is NotFound, as an unknown one is."""
    return id_of(request.path_params[name])


def id_of(value: str) -> int:
    """The same of any text."""
    if not (value.isascii() and value.isdigit()) or len(value) > 19 or int(value) > LAST_ID:
        raise NotFound()
    return int(value)


# --- values ------------------------------------------------------------------


def _text(value: Any, field: str, max_len: int) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise Invalid(f"{field} must be text", field)
    text = str(value)
    if len(text) > max_len:
        raise Invalid(f"{field} is too long (maximum is {max_len} characters)", field)
    if "\x00" in text or (not text.isascii() and _has_surrogates(text)):
        raise Invalid(f"{field} has characters that are not allowed", field)
    return text


def _has_surrogates(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _integer(value: Any, field: str) -> int:
    if isinstance(value, str):
        digits = value.strip()
        if digits.removeprefix("-").isdigit() and digits.isascii() and len(digits) <= 20:
            return int(digits)
    elif isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Invalid(f"{field} must be a whole number", field)


def _id(value: Any, field: str) -> int:
    number = _integer(value, field)
    if not 0 <= number <= LAST_ID:
        raise Invalid(f"{field} is not an id", field)
    return number
