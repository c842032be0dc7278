"""`/collections`, `/fields`, `/relations`: the structure of the project, for administrators (PROTOCOL section 1)."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from tidegate.http.answers import data_answer, no_content
from tidegate.http.payloads import as_object, as_objects
from tidegate.http.request import ApiRequest, Handler
from tidegate.items.structure import Structure


class StructureHandlers:
    def __init__(self, structure: Structure) -> None:
        self._collections = structure.collections
        self._fields = structure.fields
        self._relations = structure.relations

    def paths(self) -> Mapping[str, Mapping[str, Handler]]:
        return {
            "/collections": {
                "GET": self.read_collections,
                "POST": self.create_collection,
                "PATCH": self.update_collections,
            },
            "/collections/{collection}": {
                "GET": self.read_collection,
                "PATCH": self.update_collection,
                "DELETE": self.delete_collection,
            },
            "/fields": {"GET": self.read_fields},
            "/fields/{collection}": {"GET": self.read_fields, "POST": self.create_field, "PATCH": self.update_fields},
            "/fields/{collection}/{field}": {
                "GET": self.read_field,
                "PATCH": self.update_field,
                "DELETE": self.delete_field,
            },
            "/relations": {"GET": self.read_relations, "POST": self.create_relation},
            "/relations/{collection}": {"GET": self.read_relations},
            "/relations/{collection}/{field}": {
                "GET": self.read_relation,
                "PATCH": self.update_relation,
                "DELETE": self.delete_relation,
            },
        }

    async def read_collections(self, request: ApiRequest) -> Response:
        return data_answer(await self._collections.read(await request.rights()))

    async def read_collection(self, request: ApiRequest) -> Response:
        return data_answer(await self._collections.read_one(await request.rights(), collection(request)))

    async def create_collection(self, request: ApiRequest) -> Response:
        """One collection, or an array of them: all or none."""
        body, rights = await request.payload(), await request.rights()
        if isinstance(body, list):
            return data_answer(await self._collections.create(rights, as_objects(body)))
        return data_answer(await self._collections.create_one(rights, as_object(body)))

    async def update_collections(self, request: ApiRequest) -> Response:
        """An array of collections, each with its name: all or none."""
        body, rights = await request.payload(), await request.rights()
        return data_answer(await self._collections.update(rights, as_array(body)))

    async def update_collection(self, request: ApiRequest) -> Response:
        body, rights = as_object(await request.payload()), await request.rights()
        return data_answer(await self._collections.update_one(rights, collection(request), body))

    async def delete_collection(self, request: ApiRequest) -> Response:
        await self._collections.delete_one(await request.rights(), collection(request))
        return no_content()

    async def read_fields(self, request: ApiRequest) -> Response:
        """Of one collection, or of all."""
        rights = await request.rights()
        return data_answer(await self._fields.read(rights, request.path_params.get("collection")))

    async def read_field(self, request: ApiRequest) -> Response:
        return data_answer(await self._fields.read_one(await request.rights(), collection(request), field(request)))

    async def create_field(self, request: ApiRequest) -> Response:
        body, rights = as_object(await request.payload()), await request.rights()
        return data_answer(await self._fields.create_one(rights, collection(request), body))

    async def update_fields(self, request: ApiRequest) -> Response:
        """An array of fields, each with its name: all or none."""
        body, rights = await request.payload(), await request.rights()
        return data_answer(await self._fields.update(rights, collection(request), as_array(body)))

    async def update_field(self, request: ApiRequest) -> Response:
        body, rights = as_object(await request.payload()), await request.rights()
        return data_answer(await self._fields.update_one(rights, collection(request), field(request), body))

    async def delete_field(self, request: ApiRequest) -> Response:
        await self._fields.delete_one(await request.rights(), collection(request), field(request))
        return no_content()

    async def read_relations(self, request: ApiRequest) -> Response:
        """Of one collection, or of all."""
        rights = await request.rights()
        return data_answer(await self._relations.read(rights, request.path_params.get("collection")))

    async def read_relation(self, request: ApiRequest) -> Response:
        return data_answer(await self._relations.read_one(await request.rights(), collection(request), field(request)))

    async def create_relation(self, request: ApiRequest) -> Response:
        body, rights = as_object(await request.payload()), await request.rights()
        return data_answer(await self._relations.create_one(rights, body))

    async def update_relation(self, request: ApiRequest) -> Response:
        body, rights = as_object(await request.payload()), await request.rights()
        return data_answer(await self._relations.update_one(rights, collection(request), field(request), body))

    async def delete_relation(self, request: ApiRequest) -> Response:
        await self._relations.delete_one(await request.rights(), collection(request), field(request))
        return no_content()


def as_array(body: object) -> list[dict[str, Any]]:
    """The objects of an array; one object stands for an array of one."""
    return as_objects(body) if isinstance(body, list) else [as_object(body)]


def collection(request: ApiRequest) -> str:
    name: str = request.path_params["collection"]
    return name


def field(request: ApiRequest) -> str:
    name: str = request.path_params["field"]
    return name
