"""Another server of the fediverse, small but real: it serves documents, takes deliveries and signs what it sends."""

import asyncio
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from aiohttp import web

from activitypub import keys, signatures
from activitypub.signatures import Flavour, SigningKey
from activitypub.vocabulary import AP_TYPE, AS_CONTEXT, PUBLIC, Iri

Doc = dict[str, Any]
Respond = Callable[["Delivery"], web.Response]


@dataclass(frozen=True)
class Delivery:
    """A POST that arrived."""

    path: str
    activity: Doc
    request: signatures.Request

    @property
    def type(self) -> str:
        return str(self.activity["type"])


@cache
def rsa_key(number: int = 0) -> Any:
    """Made once for the whole test run: a key costs a fifth of a second."""
    return keys.generate_rsa()


@dataclass
class RemotePeer:
    """`documents` are what it serves, by path, `handles` its WebFinger answers; a number is the status to answer with,
    bytes are a picture."""

    clock: Callable[[], float]
    documents: dict[str, Doc | int | bytes] = field(default_factory=dict)
    handles: dict[str, Doc | int] = field(default_factory=dict)
    received: list[Delivery] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    respond: Respond = field(default=lambda _: web.Response(status=202))
    delay: float = 0.0
    port: int = 0
    begun: int = 0
    """Requests, whether or not they were answered."""
    _runner: web.AppRunner | None = None

    @property
    def domain(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        return f"http://{self.domain}"

    async def start(self, *, port: int = 0) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        self.port = listener.getsockname()[1]
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.Request) -> web.Response:
        self.begun += 1
        if self.delay:
            await asyncio.sleep(self.delay)
        if request.method == "POST":
            body = await request.read()
            headers = [(name.lower(), value) for name, value in request.headers.items()]
            raw = signatures.Request("POST", request.path_qs, headers, body)
            delivery = Delivery(request.path, json.loads(body), raw)
            answer = self.respond(delivery)
            self.received.append(delivery)
            return answer
        self.fetched.append(request.path_qs)
        document = self.documents.get(request.path, 404)
        if request.path == "/.well-known/webfinger":
            document = self.handles.get(request.query.get("resource", "").lower(), 404)
        if isinstance(document, int):
            return web.Response(status=document)
        if isinstance(document, bytes):
            return web.Response(body=document, content_type="image/png")
        kind = "application/jrd+json" if request.path.startswith("/.well-known/") else AP_TYPE
        return web.Response(body=json.dumps(document).encode(), headers={"Content-Type": kind})

    # --- What it has

    def person(self, username: str = "bert", *, key: int = 0, kind: str = "Person", **changes: Any) -> str:
        """Serve an actor and its WebFinger answer; its IRI."""
        iri = f"{self.base}/users/{username}"
        self.serve(self.actor(username, key=key, kind=kind, **changes))
        self.handles[f"acct:{username}@{self.domain}"] = {
            "subject": f"acct:{username}@{self.domain}",
            "links": [{"rel": "self", "type": AP_TYPE, "href": iri}],
        }
        return iri

    def actor(self, username: str, *, key: int = 0, kind: str = "Person", **changes: Any) -> Doc:
        iri = f"{self.base}/users/{username}"
        return {
            "@context": AS_CONTEXT,
            "id": iri,
            "type": kind,
            "preferredUsername": username,
            "inbox": f"{iri}/inbox",
            "outbox": f"{iri}/outbox",
            "followers": f"{iri}/followers",
            "following": f"{iri}/following",
            "endpoints": {"sharedInbox": f"{self.base}/inbox"},
            "publicKey": {
                "id": f"{iri}#main-key",
                "owner": iri,
                "publicKeyPem": keys.to_pem(rsa_key(key).public_key()),
            },
            **changes,
        }

    def serve(self, document: Doc) -> Doc:
        self.documents[document["id"].removeprefix(self.base)] = document
        return document

    def note(self, number: int, author: str, content: str = "Hello", **changes: Any) -> Doc:
        """A public note, served at its id."""
        return self.serve(
            {
                "@context": AS_CONTEXT,
                "id": f"{self.base}/notes/{number}",
                "type": "Note",
                "attributedTo": author,
                "content": f"<p>{content}</p>",
                "published": "2026-09-21T10:00:00Z",
                "to": [PUBLIC],
                "cc": [f"{author}/followers"],
                **changes,
            }
        )

    def activity(self, kind: str, actor: str, about: Any, **more: Any) -> Doc:
        number = more.pop("number", id(about) % 10**9)
        return {
            "@context": AS_CONTEXT,
            "id": f"{self.base}/activities/{kind.lower()}/{number}",
            "type": kind,
            "actor": actor,
            "object": about,
            **more,
        }

    def signed(
        self,
        activity: Doc | bytes,
        inbox: str,
        *,
        by: str,
        key: int = 0,
        flavour: Flavour = Flavour.CAVAGE,
        method: str = "POST",
    ) -> signatures.Request:
        """The request in which `by` sends an activity to `inbox`."""
        body = activity if isinstance(activity, bytes) else json.dumps(activity).encode()
        signing = SigningKey(Iri(f"{by}#main-key"), rsa_key(key))
        sent = body if method == "POST" else None
        headers = signatures.sign(method, inbox, sent, signing, flavour=flavour, now=self.clock())
        target = "/" + inbox.split("/", 3)[3]
        return signatures.Request(method, target, [(n.lower(), v) for n, v in headers.items()], sent or b"")
