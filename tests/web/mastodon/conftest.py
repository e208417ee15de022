"""People who use the client API of a node that is served on loopback."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from node import auth
from node.ids import AccountId
from node.runtime import Node
from node.viewer import Viewer
from tests.support.people import make_person
from tests.web.conftest import Served

Answer = dict[str, Any]


@dataclass(frozen=True)
class User:
    """Somebody with a token. The short methods want success and give the JSON; `send` gives the response."""

    served: Served
    viewer: Viewer
    name: str
    token: str

    @property
    def id(self) -> AccountId:
        assert self.viewer.account_id is not None
        return self.viewer.account_id

    @property
    def node(self) -> Node:
        return self.served.node

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = self.headers | options.pop("headers", {})
        return await self.served.http.request(method, path, headers=headers, **options)

    async def call(self, method: str, path: str, **options: Any) -> Any:
        answer = await self.send(method, path, **options)
        assert answer.status_code == 200, f"{method} {path} gave {answer.status_code}: {answer.text[:300]}"
        return answer.json()

    async def get(self, path: str, **query: Any) -> Any:
        return await self.call("GET", path, params=query or None)

    async def post(self, path: str, **data: Any) -> Any:
        return await self.call("POST", path, json=data)

    async def status(self, text: str = "A valve is stuck", **data: Any) -> Answer:
        posted: Answer = await self.post("/api/v1/statuses", status=text, **data)
        return posted

    async def follow(self, other: "User") -> Answer:
        relation: Answer = await self.post(f"/api/v1/accounts/{other.id}/follow")
        return relation


MakeUser = Callable[..., Awaitable[User]]


@pytest.fixture
def make_user(served: Served) -> MakeUser:
    """`await make_user("anna", scopes="read", **fields of NewAccount)`."""

    async def make(name: str, *, scopes: str = "read write follow push", **fields: Any) -> User:
        viewer = await make_person(served.node, name, **fields)
        assert viewer.account_id is not None
        token = await served.node.write(auth.make_token, viewer.account_id, scopes)
        return User(served, viewer, name, token)

    return make


@pytest.fixture
async def anna(make_user: MakeUser) -> User:
    return await make_user("anna", display_name="Anna", title="Pump engineer")


@pytest.fixture
async def bert(make_user: MakeUser) -> User:
    return await make_user("bert")


@pytest.fixture
async def carl(make_user: MakeUser) -> User:
    return await make_user("carl")
