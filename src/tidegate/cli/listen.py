"""`tidegate listen`: a small WebSocket client that prints events."""

import asyncio
import json
from typing import Any

from rich.console import Console
from rich.text import Text

from tidegate.cli.output import CommandError
from tidegate.client import Client, Credentials, Event, RefusedError, TidegateError
from tidegate.client.connection import websocket_url

_STYLES = {"init": "dim", "create": "green", "update": "yellow", "delete": "red"}


def listen(collection: str, url: str, credentials: Credentials | None, query: dict[str, Any]) -> None:
    """Print every event of the collection until interrupted. Raises `CommandError`."""
    try:
        websocket_url(url)
    except ValueError as error:
        raise CommandError(f"{error}.") from None
    try:
        asyncio.run(_listen(collection, url, credentials, query))
    except KeyboardInterrupt:
        return
    except TidegateError as error:
        hint = " Give --token or --email." if credentials is None and error.code == "AUTH_FAILED" else ""
        raise CommandError(f"{url} refuses: {error.message}{hint}") from None
    except RefusedError as error:
        raise CommandError(f"{url} opens no WebSocket: {error}.") from None
    except OSError as error:
        raise CommandError(f"{url} cannot be reached: {error.strerror or error}.") from None


async def _listen(collection: str, url: str, credentials: Credentials | None, query: dict[str, Any]) -> None:
    console = Console(markup=False, highlight=False, soft_wrap=True)
    async with Client(url, credentials) as client, client.subscribe(collection, query) as events:
        async for event in events:
            for line in lines(event):
                console.print(line)


def lines(event: Event) -> list[Text]:
    """The event for people: a line for each item, or one that says that there is none yet."""
    members = event.data if isinstance(event.data, list) else [event.data]
    shown = [json.dumps(member, ensure_ascii=False, separators=(",", ":")) for member in members]
    return [Text.assemble((f"{event.name:<7}", _STYLES[event.name]), line) for line in shown or ["(no items yet)"]]
