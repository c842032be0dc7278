"""What projects have beside plain tables: blocks, translations, files, folders, fields of users, all sorts of users.

Column types are those that the application of Directus gives to such fields.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime

from argon2.low_level import Type, hash_secret

from tests.support.directus import (
    EDITOR_ID,
    EDITOR_POLICY,
    EDITOR_ROLE,
    HASHER,
    PASSWORD,
    Row,
    Version,
    World,
)

PAGE, DRAFT, TEXT, FILE, SHARE = (f"00000000-0000-4000-8000-{number:012}" for number in range(1, 6))
PUBLIC_POLICY = "abf8a154-5b1c-4a46-ac9c-7300570f4f17"
CHIEF_ROLE, CHIEF_POLICY, OWN_POLICY = (f"00000000-0000-4000-8000-{number:012}" for number in range(10, 13))
NAMES = ("chief", "suspended", "invited", "draft", "okta", "nameless", "lonely", "old", "other", "blank")
USERS = {name: f"00000000-0000-4000-8000-{number:012}" for number, name in enumerate(NAMES, 100)}
"""Ids by name."""
BIG = 9007199254740993
MOMENT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)

_TEXT: Row = {"database_type": "character varying", "length": 255}
_UUID: Row = {"database_type": "uuid"}
_JSON: Row = {"database_type": "json"}
_COUNTER: Row = {"database_type": "integer", "required": True, "primary_key": True, "auto_increment": True}
_KEY: Row = {"required": True, "primary_key": True}


def _to(target: str, kind: Row = _UUID) -> Row:
    return {**kind, "references": target, "on_delete": "set null"}


_TABLES: Mapping[str, Mapping[str, Row]] = {
    "departments": {"id": _COUNTER, "name": _TEXT},
    "languages": {"code": {**_TEXT, **_KEY}, "name": _TEXT},
    "pages": {
        "id": {**_UUID, **_KEY},
        "status": {**_TEXT, "default": "draft", "required": True},
        "sort": {"database_type": "integer"},
        "user_created": {**_UUID, "references": "directus_users.id", "on_delete": "no action"},
        "date_updated": {"database_type": "timestamp with time zone"},
        "slug": {**_TEXT, "unique": True},
        "title": _TEXT,
        "cover": _to("directus_files.id"),
        "day": {"database_type": "date"},
        "rating": {"database_type": "real"},
        "active": {"database_type": "boolean", "default": True},
        "extra": _JSON,
        "keywords": _JSON,
        "pin": _TEXT,
    },
    "pages_blocks": {
        "id": _COUNTER,
        "pages_id": _to("pages.id"),
        "item": _TEXT,
        "collection": _TEXT,
        "sort": {"database_type": "integer"},
    },
    "block_text": {"id": {**_UUID, **_KEY}, "text": {"database_type": "text"}},
    "block_quote": {"id": _COUNTER, "quote": _TEXT},
    "pages_translations": {
        "id": _COUNTER,
        "pages_id": _to("pages.id"),
        "languages_code": _to("languages.code", _TEXT),
        "title": _TEXT,
    },
    "pages_files": {"id": _COUNTER, "pages_id": _to("pages.id"), "directus_files_id": _to("directus_files.id")},
    "pages_directus_users": {
        "id": _COUNTER,
        "pages_id": _to("pages.id"),
        "directus_users_id": _to("directus_users.id"),
    },
    "globals": {"id": _COUNTER, "site": _TEXT},
    "counters": {"id": {"database_type": "bigint", **_KEY}, "label": _TEXT},
    "directus_users": {"department": _to("departments.id", {"database_type": "integer"})},
}


def _field(collection: str, field: str, special: str | None = None, **more: object) -> Row:
    return {"collection": collection, "field": field, "special": special, **more}


def _relation(many: str, one: str | None, one_field: str | None = None, **more: object) -> Row:
    collection, _, field = many.partition(".")
    place = {"many_collection": collection, "many_field": field, "one_collection": one, "one_field": one_field}
    return {**place, "one_deselect_action": "nullify", **more}


_METADATA: dict[str, list[Row]] = {
    "directus_collections": [
        {"collection": "content", "icon": "folder"},
        {
            "collection": "pages",
            "group": "content",
            "sort_field": "sort",
            "archive_field": "status",
            "archive_value": "archived",
            "accountability": None,
            "item_duplication_fields": "null",
        },
        {"collection": "globals", "singleton": True},
        *({"collection": name, "hidden": True} for name in ("block_text", "block_quote", "pages_blocks", "languages")),
    ],
    "directus_fields": [
        _field("pages", "id", "uuid"),
        _field("pages", "sort", None, hidden=True),
        _field("pages", "user_created", "user-created"),
        _field("pages", "date_updated", "date-updated,cast-timestamp"),
        _field("pages", "slug", None, validation={"_and": [{"slug": {"_regex": "^[a-z-]+$"}}]}),
        _field("pages", "title", None, options="null", conditions="null", validation="null", translations="null"),
        _field("pages", "cover", "file", interface="file-image"),
        _field("pages", "active", "cast-boolean"),
        _field("pages", "extra", "cast-json"),
        _field("pages", "keywords", "cast-json", interface="tags"),
        _field("pages", "pin", "hash,conceal"),
        _field("pages", "blocks", "m2a"),
        _field("pages", "translations", "translations"),
        _field("pages", "images", "files"),
        _field("pages", "authors", "m2m"),
        _field("pages", "divider-x1y2z3", "alias,no-data", interface="presentation-divider"),
        _field("pages", "details", "alias,no-data,group", interface="group-detail"),
        _field("directus_users", "department", "m2o"),
        _field("directus_users", "pages", "m2m"),
        _field("collection_of_the_past", "name"),
    ],
    "directus_relations": [
        _relation("pages.user_created", "directus_users"),
        _relation("pages.cover", "directus_files"),
        _relation(
            "pages_blocks.item",
            None,
            one_collection_field="collection",
            one_allowed_collections="block_text,block_quote",
            junction_field="pages_id",
        ),
        _relation("pages_blocks.pages_id", "pages", "blocks", junction_field="item", sort_field="sort"),
        _relation("pages_translations.languages_code", "languages", junction_field="pages_id"),
        _relation("pages_translations.pages_id", "pages", "translations", junction_field="languages_code"),
        _relation("pages_files.directus_files_id", "directus_files", junction_field="pages_id"),
        _relation("pages_files.pages_id", "pages", "images", junction_field="directus_files_id"),
        _relation("pages_directus_users.directus_users_id", "directus_users", "pages", junction_field="pages_id"),
        _relation("pages_directus_users.pages_id", "pages", "authors", junction_field="directus_users_id"),
        _relation("directus_users.department", "departments"),
    ],
}
_ITEMS: dict[str, list[Row]] = {
    "languages": [{"code": "en-US", "name": "English"}],
    "directus_files": [
        {
            "id": FILE,
            "storage": "local",
            "filename_download": "cover.jpg",
            "title": "Cover",
            "uploaded_by": EDITOR_ID,
            "created_on": MOMENT,
            "modified_on": MOMENT,
            "filesize": 123_456,
            "tags": ["red"],
            "metadata": "null",
        }
    ],
    "pages": [
        {
            "id": PAGE,
            "status": "published",
            "sort": 2,
            "user_created": EDITOR_ID,
            "slug": "first",
            "title": "First",
            "cover": FILE,
            "day": date(2021, 2, 3),
            "rating": 4.5,
            "extra": {"a": [1, None, "ü"]},
            "keywords": ["k"],
            "pin": "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
        },
        {"id": DRAFT, "sort": 1, "user_created": USERS["chief"], "title": "Second", "extra": "null", "keywords": []},
    ],
    "block_text": [{"id": TEXT, "text": "Hello"}],
    "block_quote": [{"quote": "Said"}],
    "pages_blocks": [
        {"pages_id": PAGE, "item": TEXT, "collection": "block_text", "sort": 2},
        {"pages_id": PAGE, "item": "1", "collection": "block_quote", "sort": 1},
        {"pages_id": PAGE, "item": "7", "collection": "block_of_the_past", "sort": 3},
    ],
    "pages_translations": [{"pages_id": PAGE, "languages_code": "en-US", "title": "Translated"}],
    "pages_files": [{"pages_id": PAGE, "directus_files_id": FILE}],
    "pages_directus_users": [{"pages_id": PAGE, "directus_users_id": EDITOR_ID}],
    "globals": [{"site": "Example"}],
    "counters": [{"id": BIG, "label": "many"}],
}


def _users() -> Iterator[Row]:
    """`<name>@example.com` with the static token `<name>-token`."""
    password = HASHER.hash(PASSWORD)
    known: Row = {"role": EDITOR_ROLE, "status": "active", "provider": "default", "password": password}
    own_by_name: Mapping[str, Row] = {
        "chief": {"role": CHIEF_ROLE, "department": 1},
        "suspended": {"status": "suspended"},
        "invited": {"status": "invited", "password": None},
        "draft": {"status": "draft"},
        "okta": {"provider": "okta", "external_identifier": "okta@example.com", "password": None},
        "nameless": {"email": None, "password": None},
        "lonely": {"role": None},
        "old": {"password": _other_hash(Type.I, 4_096, 1, 16)},
        "other": {"password": _other_hash(Type.ID, 65_536, 1, 64)},
        "blank": {"password": ""},
    }
    for name, own in own_by_name.items():
        address = f"{name}@example.com"
        yield {**known, "id": USERS[name], "email": address, "token": f"{name}-token", **own}


def _other_hash(kind: Type, memory: int, parallelism: int, length: int) -> str:
    """As a project with its own `HASH_*` settings, or of long ago, has them."""
    return hash_secret(PASSWORD.encode(), b"s" * length, 3, memory, parallelism, length, kind).decode()


_SESSIONS: Sequence[tuple[str, str | None, int, Row]] = (
    ("R", EDITOR_ID, 2037, {"ip": "::1", "user_agent": "Mozilla/5.0", "origin": "http://localhost:8055"}),
    ("O", USERS["okta"], 2037, {}),
    ("P", USERS["suspended"], 2037, {}),
    ("X", EDITOR_ID, 2023, {}),
    ("H", None, 2037, {"share": SHARE}),
)
"""By the letter that their tokens are made of."""


def _permission(collection: str, action: str, rule: object, fields: str, **more: object) -> Row:
    given = {"collection": collection, "action": action, "permissions": rule, "fields": fields}
    return {**given, "validation": "null", "presets": "null", **more}


_OWN = {"_and": [{"user_created": {"_eq": "$CURRENT_USER"}}]}
_SAME_DEPARTMENT = {"user_created": {"department": {"_eq": "$CURRENT_USER.department"}}}
_PUBLISHED = {"_and": [{"status": {"_eq": "published"}}]}
_PRESETS = {"title": "Untitled", "status": "published"}
_PERMISSIONS: Sequence[tuple[str | None, Row]] = (
    (None, _permission("pages", "read", _PUBLISHED, "id,title,status,translations")),
    (None, _permission("languages", "read", "null", "*")),
    (EDITOR_ROLE, _permission("pages", "read", _OWN, "*")),
    (EDITOR_ROLE, _permission("pages", "create", "null", "*", presets=_PRESETS)),
    (EDITOR_ROLE, _permission("pages", "update", _OWN, "title,slug")),
    (EDITOR_ROLE, _permission("pages", "share", {}, "*")),
    (EDITOR_ROLE, _permission("directus_flows", "read", {"trigger": {"_eq": "manual"}}, "id,name")),
    (CHIEF_ROLE, _permission("pages", "read", _SAME_DEPARTMENT, "id,title")),
)
"""By the role that has them, directly or by its policy; None for the public."""


def world(version: Version) -> World:
    """`version` decides whether permissions belong to policies or to roles."""
    owners = {None: PUBLIC_POLICY, EDITOR_ROLE: EDITOR_POLICY, CHIEF_ROLE: CHIEF_POLICY}
    rows: dict[str, Sequence[Row]] = {
        "departments": [{"name": "News"}],
        "directus_roles": [{"id": CHIEF_ROLE, "name": "Chief"}],
        "directus_users": list(_users()),
    }
    if version == "10":
        rows["directus_permissions"] = [{**row, "role": owner} for owner, row in _PERMISSIONS]
    else:
        rows["directus_policies"] = [
            {"id": CHIEF_POLICY, "name": "Chief", "ip_access": ""},
            {"id": OWN_POLICY, "name": "The chief's own"},
        ]
        rows["directus_access"] = [
            {"id": CHIEF_POLICY, "role": CHIEF_ROLE, "policy": CHIEF_POLICY, "sort": 1},
            {"id": OWN_POLICY, "user": USERS["chief"], "policy": OWN_POLICY, "sort": 2},
        ]
        own = {**_permission("counters", "read", "null", "*"), "policy": OWN_POLICY}
        rows["directus_permissions"] = [*({**row, "policy": owners[owner]} for owner, row in _PERMISSIONS), own]
    rows |= {
        **_METADATA,
        **_ITEMS,
        "directus_shares": [{"id": SHARE, "collection": "pages", "item": PAGE, "role": EDITOR_ROLE}],
        "directus_sessions": [
            {"token": letter * 64, "user": user, "expires": datetime(year, 1, 1, tzinfo=UTC), **more}
            for letter, user, year, more in _SESSIONS
        ],
    }
    return World(_TABLES, rows)
