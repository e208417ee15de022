"""`corridor demo`: three departments on this machine, with a story in them."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from web.demo import company, founding, nodes, saved, story
from web.demo.nodes import DemoNode
from web.demo.saved import Saved
from web.demo.teller import StoryError, Teller


@click.command()
@click.option("--reset", is_flag=True, help="Throw away what an earlier start has left, and begin anew.")
@click.option(
    "--port-base",
    type=click.IntRange(1024, 65_000),
    default=8000,
    show_default=True,
    help="The departments listen on the three ports after it.",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Where the nodes keep their data.",
)
@click.option(
    "--pace",
    type=click.FloatRange(0, 3600),
    default=20.0,
    show_default=True,
    help="Seconds between the posts that are written while it runs.",
)
def command(reset: bool, port_base: int, folder: Path, pace: float) -> None:
    """Start a company of three departments on loopback: ordinary nodes, federating over HTTP, with people and a story.

    Ctrl-C stops everything; the next start goes on from there, --reset begins anew.
    """
    # Overrides meant for a node of one's own would make three nodes share a database.
    for name in [name for name in os.environ if name.startswith("CORRIDOR_") and "__" in name]:
        del os.environ[name]
    planned = nodes.plan(folder, port_base)
    nodes.refuse_busy_ports(planned)
    if reset:
        saved.reset(folder)
    state = saved.load(folder, port_base)
    sys.exit(asyncio.run(_run(folder, planned, state, pace)))


async def _run(folder: Path, planned: Sequence[DemoNode], state: Saved, pace: float) -> int:
    """Run until told to stop. The exit status: 0 after a stop, 1 if a node ended by itself."""
    running = asyncio.create_task(_tell(folder, planned, state, pace))
    loop = asyncio.get_running_loop()
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        running.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    try:
        await running
    except asyncio.CancelledError:
        if not stopped:
            raise
    finally:
        click.echo("\nStopping …")
        await asyncio.to_thread(nodes.stop, planned)
    click.echo(f"Stopped. The data is kept in {folder}; the next start goes on from there.")
    return 0


async def _tell(folder: Path, planned: Sequence[DemoNode], state: Saved, pace: float) -> None:
    began = time.monotonic()
    is_new = not state.done
    click.echo("Corridor demo: a company of three departments on this machine.\n")
    for node in planned:
        click.echo(f"  {'Making' if is_new else 'Checking'} {node.department.name} …")
        await nodes.make(node, state.tokens)
        saved.store(folder, state)
    if is_new:
        click.echo("  Founding the company: its key, a roster of the three, signed …")
    await founding.unite(folder, planned)
    for node in planned:
        nodes.start(node, dict(os.environ))
    click.echo("  Starting the nodes …")
    await asyncio.gather(*(nodes.wait_until_up(node) for node in planned))
    async with Teller(folder, state, planned, click.echo) as teller:
        await teller.introduce()
        await teller.greet()
        for title, steps in story.OPENING:
            waiting = teller.waiting(steps)
            if waiting:
                click.echo(f"  {title} …")
            if steps is story.ACQUAINTANCE:  # in no order: who knows whom
                await asyncio.gather(*(_step(teller, step) for step in waiting))
                continue
            for step in waiting:
                await _step(teller, step)
        click.echo(_welcome(folder, planned, time.monotonic() - began))
        await _go_on(teller, planned, pace)


async def _go_on(teller: Teller, planned: Sequence[DemoNode], pace: float) -> None:
    """The rest of the story, step by step; then wait for the end. Raises ClickException if a node ends."""
    waiting = teller.waiting(story.NOW)
    if waiting:
        click.echo("The story goes on; watch it arrive in the browser:\n")
    for step in waiting:
        if isinstance(step, story.Post):
            await _watch(planned, pace)
        if await _step(teller, step):
            click.echo(f"{time.strftime('%H:%M:%S')}  {teller.describe(step)}")
    click.echo("\nThe story is told. The nodes keep running; Ctrl-C stops them.")
    while True:
        await _watch(planned, 5.0)


async def _step(teller: Teller, step: story.Step) -> bool:
    """One step that does not work is said and left out: the rest of the demo is still worth seeing."""
    try:
        await teller.tell(step)
    except StoryError as error:
        click.echo(f"  left out: {error}", err=True)
        return False
    return True


async def _watch(planned: Sequence[DemoNode], seconds: float) -> None:
    """Wait, while all nodes run."""
    end = time.monotonic() + seconds
    while True:
        for node in planned:
            nodes.refuse_ended(node)
        left = end - time.monotonic()
        if left <= 0:
            return
        await asyncio.sleep(min(1.0, left))


def _welcome(folder: Path, planned: Sequence[DemoNode], seconds: float) -> str:
    first, second, _ = planned
    lines = [f"\nReady after {seconds:.0f} s.\n"]
    for node in planned:
        lines.append(f"  {node.department.name:16} {node.base}")
        lines += [
            f"    {person.key:14} {person.name}, {person.title}" for person in company.people_of(node.department.key)
        ]
    lines += [
        f"\nEverybody's password is {company.PASSWORD}\n",
        "Try:",
        f"  * {second.base}: sign in as tom. Open his post about the hum and read how it was solved.",
        f"  * {first.base}: sign in as anna in another window; answer tom, and see it arrive. Search for #vibration.",
        "  * Write with “Only my department” and look for it from another department: it is not there.",
        f"  * A Mastodon client: toot login --instance {first.base}, then toot timeline",
        f'  * curl -H "Authorization: Bearer $(corridor token create anna --config {first.config})" \\',
        f"      {first.base}/api/v1/timelines/home",
        f"  * corridor peers list --config {first.config}",
        f"  * corridor roster show --dir {folder / founding.FOLDER}",
        "      That signed list is the company: its nodes deal with nobody else, and sign every request between them.",
        "\nCtrl-C stops everything.\n",
    ]
    return "\n".join(lines)
