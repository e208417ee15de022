"""An actor on bovine, told what to do over /control: `python server.py PORT`; prints "ready" when it listens.

Keys, signatures, their verification, the actor, activities and WebFinger answers are bovine's; only this glue is ours. It
runs in an environment of its own, see `make interop`.
"""

import asyncio
import json
import sys
import uuid
from typing import Any

import aiohttp
from aiohttp import web
from bovine.activitystreams import Actor, factories_for_actor_object  # type: ignore[import-not-found]
from bovine.clients.signed_http import (  # type: ignore[import-not-found]
    SignedHttpClient,
    legacy_digest_method_uppercase,
)
from bovine.crypto import (  # type: ignore[import-not-found]
    build_validate_http_signature_raw,
    generate_rsa_public_private_key,
)
from bovine.crypto.types import CryptographicIdentifier  # type: ignore[import-not-found]
from bovine.utils import webfinger_response_json  # type: ignore[import-not-found]

AP_TYPE = "application/activity+json"
Doc = dict[str, Any]


class Counterpart:
    """One actor, `nell`, with an inbox, and what it serves to whoever signs for it."""

    def __init__(self, port: int) -> None:
        self.domain = f"127.0.0.1:{port}"
        self.base = f"http://{self.domain}"
        self.iri = f"{self.base}/users/nell"
        public, self._private = generate_rsa_public_private_key()
        self.actor = Actor(
            id=self.iri,
            type="Person",
            name="Nell on bovine",
            preferred_username="nell",
            inbox=f"{self.iri}/inbox",
            outbox=f"{self.iri}/outbox",
            followers=f"{self.iri}/followers",
            public_key=public,
            public_key_name="main-key",
            properties={"endpoints": {"sharedInbox": f"{self.base}/inbox"}},
        ).build()
        self.activities, _ = factories_for_actor_object(self.actor, lambda: f"{self.base}/made/{uuid.uuid4()}")
        self.received: list[Doc] = []
        self.documents: dict[str, Doc] = {}
        self._verified = build_validate_http_signature_raw(self._key)
        self.client: SignedHttpClient

    async def _key(self, key_id: str) -> CryptographicIdentifier | None:
        """bovine asks for the key; it is fetched with a signature, as our nodes demand."""
        answer = await self.client.get(key_id.partition("#")[0])
        if answer.status != 200:
            return None
        document = json.loads(await answer.text())
        return CryptographicIdentifier.from_public_key(document.get("publicKey", document))

    async def _signer(self, request: web.Request) -> str | None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            found: str | None = await self._verified(
                request.method.lower(), self.base + request.path_qs, headers, request.read
            )
        except (
            Exception
        ):  # its reader of RFC 9421 fails with a newer http-sf: then the signature is not one it can read
            return None
        return found

    async def inbox(self, request: web.Request) -> web.Response:
        activity: Doc = json.loads(await request.read())
        if await self._signer(request) != activity["actor"]:
            return web.Response(status=401)
        self.received.append(activity)
        if activity["type"] == "Follow":
            accept = self.activities.accept(activity["id"], to={activity["actor"]}).build()
            await self._post(accept, activity["actor"] + "/inbox")
        return web.Response(status=202)

    async def _post(self, activity: Doc, inbox: str) -> None:
        answer = await self.client.post(inbox, json.dumps(activity))
        if answer.status >= 300:
            raise web.HTTPBadGateway(text=f"{inbox} answered {answer.status}: {await answer.text()}")

    async def document(self, request: web.Request) -> web.Response:
        if request.path == "/users/nell":
            return web.json_response(self.actor, content_type=AP_TYPE)
        if await self._signer(request) is None:
            return web.Response(status=401)
        found = self.documents.get(request.path)
        return web.Response(status=404) if found is None else web.json_response(found, content_type=AP_TYPE)

    async def webfinger(self, request: web.Request) -> web.Response:
        resource = request.query.get("resource", "")
        if resource != f"acct:nell@{self.domain}":
            return web.Response(status=404)
        return web.json_response(webfinger_response_json(resource, self.iri), content_type="application/jrd+json")

    # --- What the test tells it

    async def control(self, request: web.Request) -> web.Response:
        asked: Doc = await request.json() if request.can_read_body else {}
        answer = await getattr(self, "do_" + request.match_info["what"])(**asked)
        return web.json_response(answer)

    async def do_received(self) -> list[Doc]:
        return self.received

    async def do_send(self, activity: Doc, inbox: str) -> Doc:
        await self._post(activity, inbox)
        return {}

    async def do_serve(self, document: Doc) -> Doc:
        self.documents[document["id"].removeprefix(self.base)] = document
        return {}

    async def do_fetch(self, url: str) -> Doc:
        answer = await self.client.get(url)
        if answer.status != 200:
            raise web.HTTPBadGateway(text=f"{url} answered {answer.status}")
        found: Doc = json.loads(await answer.text())
        return {"id": found["id"], "type": found["type"], "name": found.get("name"), "content": found.get("content")}


async def main(port: int) -> None:
    counterpart = Counterpart(port)
    async with aiohttp.ClientSession() as session:
        counterpart.client = SignedHttpClient(
            session,
            f"{counterpart.iri}#main-key",
            counterpart._private,
            digest_method=legacy_digest_method_uppercase,
        )
        app = web.Application()
        app.router.add_post("/control/{what}", counterpart.control)
        app.router.add_post("/inbox", counterpart.inbox)
        app.router.add_post("/users/nell/inbox", counterpart.inbox)
        app.router.add_get("/.well-known/webfinger", counterpart.webfinger)
        app.router.add_get("/{path:.*}", counterpart.document)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        print("ready", flush=True)  # noqa: T201 - the test waits for it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
