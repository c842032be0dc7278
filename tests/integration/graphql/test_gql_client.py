"""The Python client `gql`, unmodified, over HTTP and over a socket of a real uvicorn."""

import asyncio

import pytest
from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

from tests.integration.http.project import MEMBER, Project
from tests.integration.websocket.serving import serve

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_client_fetches_the_schema_and_checks_documents_by_it(project: Project) -> None:
    async with serve(project.app) as address:
        transport = HTTPXAsyncTransport(f"http://{address}/graphql", headers={"Authorization": f"Bearer {MEMBER}"})
        async with Client(transport=transport, fetch_schema_from_transport=True) as session:
            query = gql("query ($id: ID!) { messages_by_id(id: $id) { text } }")
            query.variable_values = {"id": 1}
            assert await session.execute(query) == {"messages_by_id": {"text": "hello"}}
            assert session.client.schema is not None
            assert "notes" in session.client.schema.type_map
            assert "hidden_things" not in session.client.schema.type_map


async def test_client_subscribes_beside_other_operations(project: Project) -> None:
    async with serve(project.app) as address:
        transport = WebsocketsTransport(
            f"ws://{address}/graphql",
            init_payload={"access_token": MEMBER},
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        )
        async with Client(transport=transport) as session:
            events = session.subscribe(gql("subscription { messages_mutated(event: create) { data { text } } }"))
            first = asyncio.ensure_future(anext(events))
            # The answer to a later message tells that the subscription has begun.
            await session.execute(gql("{ messages(limit: 1) { id } }"))
            written = await session.execute(gql('mutation { create_messages_item(data: {text: "gql"}) { text } }'))
            assert written == {"create_messages_item": {"text": "gql"}}
            assert await first == {"messages_mutated": {"data": {"text": "gql"}}}
            await events.aclose()
            with pytest.raises(TransportQueryError, match="hidden_things_mutated"):
                await anext(session.subscribe(gql("subscription { hidden_things_mutated { key } }")))
