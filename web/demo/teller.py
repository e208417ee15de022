"""Tells the story: every step is what a person's client would ask of that person's node, over HTTP, with a token."""

import asyncio
import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, assert_never

import httpx
from PIL import Image, ImageDraw

from web.demo import company, saved, story
from web.demo.company import Person
from web.demo.nodes import DemoNode
from web.demo.saved import Saved
from web.demo.story import FindExpert, Follow, FollowTag, Manager, Post, React, Step

PATIENCE = 30.0
"""Seconds within which something must have come from one department to another."""
_SPECTRUM = "Spectrum of a P-40 from 0 to 100 Hz: one high, narrow peak at 19.7 Hz, everything else low."


class StoryError(Exception):
    """A step did not work. `str(error)` says which and how."""


class Teller:
    """Knows everybody's node and token. Use it as `async with`."""

    def __init__(self, folder: Path, state: Saved, nodes: Sequence[DemoNode], say: Callable[[str], None]) -> None:
        self._folder = folder
        self._state = state
        self._nodes = {node.department.key: node for node in nodes}
        self._people = {person.key: person for person in company.PEOPLE}
        self._say = say
        self._client = httpx.AsyncClient(timeout=30)
        self._accounts: dict[tuple[str, str], str] = {}

    async def __aenter__(self) -> "Teller":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    def waiting(self, steps: Sequence[Step]) -> list[Step]:
        """Those that were not done yet."""
        done = set(self._state.done)
        return [step for step in steps if story.name_of(step) not in done]

    async def introduce(self) -> None:
        """Everybody fills in their profile."""
        await asyncio.gather(*(self._introduce(person) for person in company.PEOPLE))

    async def greet(self) -> None:
        """Each department looks up somebody of each other one, so that their nodes know each other's keys."""
        leaders = [company.people_of(key)[0].key for key in self._nodes]
        for who in leaders:
            for other in leaders:
                if other != who:
                    await self._account(who, other)

    async def _introduce(self, person: Person) -> None:
        name = f"profile {person.key}"
        if name in self._state.done:
            return
        fields = [{"name": label, "value": value} for label, value in person.fields]
        body = {"note": person.note, "fields_attributes": fields}
        await self._call(person.key, "PATCH", "/api/v1/accounts/update_credentials", json=body)
        self._done(name)

    async def tell(self, step: Step) -> None:
        """Do one step. Raises StoryError."""
        match step:
            case Follow():
                await self._follow(step)
            case FollowTag():
                await self._call(step.who, "POST", f"/api/v1/tags/{step.tag}/follow")
            case Manager():
                await self._manage(step)
            case Post():
                await self._publish(step)
            case React():
                await asyncio.gather(*(self._react(who, step.act, step.post) for who in step.who))
            case FindExpert():
                await self._find(step)
            case _:
                assert_never(step)
        self._done(story.name_of(step))

    def describe(self, step: Step) -> str:
        """A line for the terminal."""
        match step:
            case Post():
                person = self._people[step.who]
                reach = " (stays in the department)" if step.local_only else ""
                reach = " (followers only)" if step.visibility == "private" else reach
                return f"{person.name}, {self._department(person)}{reach}: {step.warning or self._plain(step.text)}"
            case React():
                names = ", ".join(self._people[who].name for who in step.who)
                word = {"favourite": "favourite", "reblog": "boost", "bookmark": "bookmark"}[step.act]
                return f"{names} {word}{'s' if len(step.who) == 1 else ''} it"
            case FindExpert():
                return f"{self._people[step.who].name} searches for #{step.tag} and finds {self._people[step.expected].name}"
        return story.name_of(step)

    # --- steps

    async def _follow(self, step: Follow) -> None:
        account = await self._account(step.who, step.whom)
        await self._call(step.who, "POST", f"/api/v1/accounts/{account}/follow")

        async def accepted() -> bool:
            found = await self._call(step.who, "GET", "/api/v1/accounts/relationships", params={"id[]": account})
            return bool(found[0]["following"])

        await self._until(accepted, f"{step.who} follows {step.whom}")

    async def _manage(self, step: Manager) -> None:
        handle = self._handle(step.manager, seen_from=step.admin)
        await self._account(step.admin, step.manager)
        path = f"/api/corridor/v1/admin/accounts/{step.whose}"
        if handle != step.whose:
            await self._call(step.admin, "PATCH", path, json={"manager": handle})

    async def _publish(self, step: Post) -> None:
        body: dict[str, Any] = {
            "status": step.text.format_map(_Handles(self, step.who)),
            "visibility": step.visibility,
            "local_only": step.local_only,
            "spoiler_text": step.warning,
            "language": "en",
        }
        if step.answers is not None:
            body["in_reply_to_id"] = await self._local_id(step.who, step.answers)
        for other in self._mentioned(step):
            await self._account(step.who, other)
        if step.spectrum:
            file = {"file": ("spectrum.png", spectrum(), "image/png")}
            media = await self._call(step.who, "POST", "/api/v2/media", files=file, data={"description": _SPECTRUM})
            body["media_ids"] = [media["id"]]
        headers = {"Idempotency-Key": f"demo-{step.key}"}
        made = await self._call(step.who, "POST", "/api/v1/statuses", json=body, headers=headers)
        self._state.posts[step.key] = made["uri"]

    async def _react(self, who: str, act: str, post: str) -> None:
        await self._call(who, "POST", f"/api/v1/statuses/{await self._local_id(who, post)}/{act}")

    async def _find(self, step: FindExpert) -> None:
        found: list[Any] = await self._call(step.who, "GET", f"/api/v1/timelines/tag/{step.tag}")
        expected = self._handle(step.expected, seen_from=step.who)
        if expected not in [status["account"]["acct"] for status in found]:
            raise StoryError(f"{step.who} finds nothing of {expected} under #{step.tag}")

    # --- looking things up

    async def _account(self, who: str, other: str) -> str:
        """Id of somebody on the node of `who`, asked for at their own node if need be."""
        handle = self._handle(other, seen_from=who)
        key = (self._people[who].department, other)
        if key not in self._accounts:
            params = {"q": handle, "resolve": "true", "type": "accounts"}
            found = await self._call(who, "GET", "/api/v2/search", params=params)
            match = [one["id"] for one in found["accounts"] if one["acct"] == handle]
            if not match:
                raise StoryError(f"{who} does not find {handle}")
            self._accounts[key] = match[0]
        return self._accounts[key]

    async def _local_id(self, who: str, post: str) -> str:
        """Id of a post on the node of `who`, once it has come there."""
        found: list[str] = []
        params = {"q": self._state.posts[post], "resolve": "true", "type": "statuses"}

        async def there() -> bool:
            answer = await self._call(who, "GET", "/api/v2/search", params=params)
            found[:] = [status["id"] for status in answer["statuses"]]
            return bool(found)

        await self._until(there, f"{who} sees the post {post!r}")
        return found[0]

    def _handle(self, name: str, *, seen_from: str) -> str:
        person = self._people[name]
        if person.department == self._people[seen_from].department:
            return name
        return f"{name}@{self._nodes[person.department].domain}"

    def _mentioned(self, step: Post) -> list[str]:
        return [name for name in self._people if f"{{{name}}}" in step.text]

    def _plain(self, text: str) -> str:
        return text.format_map({name: f"@{name}" for name in self._people})

    def _department(self, person: Person) -> str:
        return self._nodes[person.department].department.name

    # --- HTTP

    async def _call(self, who: str, method: str, path: str, **options: Any) -> Any:
        """A request of somebody's client to their own node; its JSON. Raises StoryError."""
        node = self._nodes[self._people[who].department]
        headers = {"Authorization": f"Bearer {self._state.tokens[who]}", **options.pop("headers", {})}
        try:
            answer = await self._client.request(method, node.base + path, headers=headers, **options)
        except httpx.HTTPError as error:
            raise StoryError(f"{who}: {method} {path}: {type(error).__name__} {error}") from error
        if answer.status_code >= 300:
            raise StoryError(f"{who}: {method} {path} gave {answer.status_code}: {answer.text[:200]}")
        return answer.json()

    async def _until(self, check: Callable[[], Any], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not await check():
            if time.monotonic() > end:
                raise StoryError(f"did not happen within {PATIENCE:.0f} s: {what}")
            await asyncio.sleep(0.1)

    def _done(self, name: str) -> None:
        self._state.done.append(name)
        saved.store(self._folder, self._state)


class _Handles(dict[str, str]):
    """`{anna}` in a text of `who`: @anna, with her domain where it is another one."""

    def __init__(self, teller: Teller, who: str) -> None:
        super().__init__()
        self._teller = teller
        self._who = who

    def __missing__(self, name: str) -> str:
        return f"@{self._teller._handle(name, seen_from=self._who)}"


def spectrum() -> bytes:
    """A PNG like that of an analyser: a peak at 19.7 Hz above a floor."""
    width, height, floor = 960, 420, 350
    image = Image.new("RGB", (width, height), "#10222f")
    draw = ImageDraw.Draw(image)
    for line in range(60, width - 40, 86):
        draw.line((line, 30, line, floor), fill="#1e3a4c")
    for line in range(30, floor + 1, 64):
        draw.line((60, line, width - 40, line), fill="#1e3a4c")
    points = []
    for x in range(60, width - 40):
        hertz = (x - 60) * 100 / (width - 100)
        noise = (x * 7919 % 23) + (x * 104_729 % 11)
        peak = 290 / (1 + ((hertz - 19.7) / 0.6) ** 2) + 40 / (1 + ((hertz - 39.4) / 0.8) ** 2)
        points.append((x, floor - min(310, noise / 3 + peak)))
    draw.line(points, fill="#8cc3ea", width=2)
    for hertz in range(0, 101, 20):
        draw.text((56 + hertz * (width - 100) / 100, floor + 12), f"{hertz}", fill="#a4adb8")
    draw.text((width - 90, floor + 34), "Hz", fill="#a4adb8")
    draw.text((240, 40), "19.7 Hz", fill="#e6bd63")
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
