import json

from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from tidegate.clock import ManualClock
from tidegate.http.address import ClientAddress
from tidegate.http.throttle import Throttle
from tidegate.ratelimit.base import RateLimiter
from tidegate.ratelimit.memory import MemoryRateLimiter


async def pong(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("pong", headers={"x-own": "1"})(scope, receive, send)


async def receive() -> Message:
    raise AssertionError("nothing is read")


class Client:
    def __init__(self, clock: ManualClock, *, per_address: int | None = None, together: int | None = None) -> None:
        def limiter(points: int | None) -> RateLimiter | None:
            return None if points is None else MemoryRateLimiter(points, 10.0, clock)

        self.app = Throttle(
            pong, clock, ClientAddress(False), per_address=limiter(per_address), together=limiter(together)
        )

    async def get(self, address: str = "192.0.2.1") -> tuple[int, dict[str, str], bytes]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app({"type": "http", "client": (address, 1), "headers": []}, receive, send)
        start, body = sent
        return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"]


async def test_throttle_tells_budget_with_every_answer() -> None:
    clock = ManualClock(1000.0)
    status, headers, body = await Client(clock, per_address=2).get()
    assert (status, body, headers["x-own"]) == (200, b"pong", "1")
    assert (headers["ratelimit-limit"], headers["ratelimit-remaining"], headers["ratelimit-reset"]) == ("2", "1", "10")
    assert headers["x-ratelimit-reset"] == "1010"
    assert "retry-after" not in headers


async def test_throttle_refuses_beyond_budget_until_window_ends() -> None:
    clock = ManualClock()
    client = Client(clock, per_address=1)
    await client.get()
    clock.advance(4)
    status, headers, body = await client.get()
    assert (status, headers["retry-after"]) == (429, "6")
    assert json.loads(body)["errors"][0]["extensions"]["code"] == "REQUESTS_EXCEEDED"
    clock.advance(6)
    assert (await client.get())[0] == 200


async def test_throttle_counts_each_address_by_itself() -> None:
    client = Client(ManualClock(), per_address=1)
    statuses = [(await client.get(address))[0] for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1")]
    assert statuses == [200, 200, 429]


async def test_throttle_counts_all_together() -> None:
    client = Client(ManualClock(), per_address=5, together=2)
    statuses = [(await client.get(address))[0] for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3")]
    assert statuses == [200, 200, 429]


async def test_address_over_its_budget_uses_up_nothing_of_everybodys() -> None:
    client = Client(ManualClock(), per_address=2, together=5)
    flood = [(await client.get("192.0.2.1"))[0] for _ in range(20)]
    assert flood == [200] * 2 + [429] * 18
    assert [(await client.get("192.0.2.2"))[0] for _ in range(2)] == [200, 200]


async def test_budget_that_is_told_is_the_clients_own() -> None:
    client = Client(ManualClock(), per_address=3, together=2)
    assert [(await client.get())[1]["ratelimit-limit"] for _ in range(3)] == ["3", "3", "2"]
