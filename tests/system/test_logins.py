"""Login tells nobody which addresses exist: the same answer, and the same work, over every protocol.

Work is counted, not timed: one password hash is looked at each time, with the same parameters, and the answer is held
back equally long (`LOGIN_STALL_TIME`).
"""

from collections.abc import AsyncIterator

import argon2
import pytest
import pytest_asyncio

from tests.integration.http.project import Project, seeded_project
from tests.integration.websocket.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "member-password"
ATTEMPTS = {
    "wrong-password": ("member@example.com", "wrong"),
    "unknown-address": ("nobody@example.com", PASSWORD),
    "no-address": ("nobody", PASSWORD),
    "suspended": ("suspended@example.com", PASSWORD),
    "no-password": ("passwordless@example.com", PASSWORD),
    "of-another-provider": ("elsewhere@example.com", PASSWORD),
}
"""All fail; the last three with the right password, as far as there is one."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def project(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Project]:
    modes = {"WEBSOCKETS_REST_AUTH": "public", "WEBSOCKETS_LOGS_AUTH": "public"}
    async with seeded_project(tmp_path_factory.mktemp("logins"), modes) as running:
        await running.ask("PATCH", "/settings", {"auth_login_attempts": None})
        for name, more in (
            ("passwordless", {}),
            ("elsewhere", {"password": PASSWORD, "provider": "google", "external_identifier": "e"}),
        ):
            status, answer = await running.ask("POST", "/users", {"email": f"{name}@example.com", **more})
            assert status == 200, answer
        query = "filter[email][_starts_with]=susp&fields=id"
        for user in (await running.ask("GET", f"/users?{query}"))[1]["data"]:
            await running.ask("DELETE", f"/users/{user['id']}")
        suspended = {"email": "suspended@example.com", "password": PASSWORD, "status": "suspended"}
        assert (await running.ask("POST", "/users", suspended))[0] == 200
        yield running


async def over_http(project: Project, email: str, password: str) -> object:
    answer = await project.client.post("/auth/login", json={"email": email, "password": password})
    return answer.status_code, answer.json(), sorted(set(answer.headers) - {"date"})


async def over_graphql(project: Project, email: str, password: str) -> object:
    query = "mutation($e: String!, $p: String!) { auth_login(email: $e, password: $p) { access_token } }"
    body = {"query": query, "variables": {"e": email, "p": password}}
    answer = await project.client.post("/graphql/system", json=body)
    return answer.status_code, answer.json()


async def over_websocket(project: Project, email: str, password: str) -> object:
    async with Client(project.app, "/websocket") as client:
        return await client.ask(type="auth", email=email, password=password)


async def over_logs(project: Project, email: str, password: str) -> object:
    async with Client(project.app, "/websocket/logs") as client:
        return await client.ask(type="auth", email=email, password=password)


class Verifications:
    """The parameters of every hash that is looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[argon2.Parameters] = []
        verify = argon2.PasswordHasher.verify

        def counted(hasher: argon2.PasswordHasher, stored: str, password: str) -> bool:
            self.seen.append(argon2.extract_parameters(stored))
            return verify(hasher, stored, password)

        monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)

    def take(self) -> list[argon2.Parameters]:
        seen, self.seen = self.seen, []
        return seen


@pytest.mark.parametrize("protocol", [over_http, over_graphql, over_websocket, over_logs])
async def test_failed_login_answers_and_works_alike_whether_the_address_exists_or_not(
    project: Project, monkeypatch: pytest.MonkeyPatch, protocol: object
) -> None:
    assert callable(protocol)
    verifications = Verifications(monkeypatch)
    outcomes = {}
    for name, (email, password) in ATTEMPTS.items():
        answer = await protocol(project, email, password)
        outcomes[name] = answer, verifications.take()
    reference = outcomes["wrong-password"]
    assert len(reference[1]) == 1
    assert "member" not in str(reference[0])
    for name, outcome in outcomes.items():
        assert outcome == reference, name


async def test_good_login_costs_one_verification_too(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    verifications = Verifications(monkeypatch)
    assert (await project.login()).status_code == 200
    assert len(verifications.take()) == 1
