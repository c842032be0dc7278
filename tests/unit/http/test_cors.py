import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tidegate.http.cors import cors
from tidegate.settings import load_settings

SECRET = {"SECRET": "x" * 40}


async def pong(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("pong")(scope, receive, send)


async def request(method: str, origin: str, environ: dict[str, str], **headers: str) -> httpx.Response:
    app = cors(pong, load_settings(SECRET | environ))
    sent = {"origin": origin} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        return await client.request(method, "/", headers=sent)


@pytest.mark.parametrize(
    ("environ", "origin", "allowed", "credentials"),
    [
        ({}, "https://a.example", None, None),
        ({"CORS_ENABLED": "true"}, "https://a.example", None, None),
        ({"CORS_ORIGIN": "true"}, "https://a.example", None, None),
        ({"CORS_ENABLED": "true", "CORS_ORIGIN": "true"}, "https://a.example", "https://a.example", "true"),
        ({"CORS_ENABLED": "true", "CORS_ORIGIN": "*"}, "https://a.example", "*", None),
        (
            {"CORS_ENABLED": "true", "CORS_ORIGIN": "https://a.example,https://b.example"},
            "https://b.example",
            "https://b.example",
            "true",
        ),
        (
            {"CORS_ENABLED": "true", "CORS_ORIGIN": "https://a.example", "CORS_CREDENTIALS": "false"},
            "https://a.example",
            "https://a.example",
            None,
        ),
    ],
)
async def test_origin_may_read_answer(
    environ: dict[str, str], origin: str, allowed: str | None, credentials: str | None
) -> None:
    answer = await request("GET", origin, environ)
    assert answer.text == "pong"
    assert answer.headers.get("access-control-allow-origin") == allowed
    assert answer.headers.get("access-control-allow-credentials") == credentials


@pytest.mark.parametrize("origin", ["https://a.example.evil", "https://evil.example", "http://a.example", "null"])
async def test_other_origin_may_not_read_answer(origin: str) -> None:
    answer = await request("GET", origin, {"CORS_ENABLED": "true", "CORS_ORIGIN": "https://a.example"})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("https://x.example", True), ("https://y.example", True), ("https://x.example.evil", False)],
)
async def test_pattern_allows_whole_origins(origin: str, allowed: bool) -> None:
    environ = {"CORS_ENABLED": "true", "CORS_ORIGIN": "regex:https://x[.]example,regex:https://y[.]example"}
    answer = await request("GET", origin, environ)
    assert (answer.headers.get("access-control-allow-origin") == origin) is allowed


@pytest.mark.parametrize(("method", "status"), [("PATCH", 200), ("SEARCH", 400)])
async def test_preflight_is_answered_by_settings(method: str, status: int) -> None:
    environ = {"CORS_ENABLED": "true", "CORS_ORIGIN": "true", "CORS_MAX_AGE": "60"}
    answer = await request("OPTIONS", "https://a.example", environ, access_control_request_method=method)
    assert answer.status_code == status
    assert answer.headers["access-control-max-age"] == "60"
