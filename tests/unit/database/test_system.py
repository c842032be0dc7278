"""The packaged description of the system tables."""

from pathlib import Path

import pytest

from tests.support import directus
from tidegate.database import system
from tidegate.database.system import missing_parts, system_tables
from tidegate.schema import FieldType

PACKAGED = Path(system.__file__).with_name("system-tables.json")
SHARED = Path(__file__).parents[4] / "shared" / "schema" / "system-tables.json"


def test_packaged_copy_equals_the_shared_description() -> None:
    if not SHARED.exists():
        pytest.skip("the shared description is not beside this repository")
    assert PACKAGED.read_bytes() == SHARED.read_bytes()


def test_every_reference_leads_to_a_column() -> None:
    tables = system_tables().fields
    for fields in tables.values():
        for field in fields.values():
            if field.references is not None:
                table, column = field.references
                assert tables[table][column].primary_key


def test_every_table_has_one_primary_key() -> None:
    for name, fields in system_tables().fields.items():
        assert sum(field.primary_key for field in fields.values()) == 1, name


def test_alias_fields_have_no_column() -> None:
    policies = system_tables().fields["directus_policies"]
    assert policies["users"].type is FieldType.ALIAS
    assert policies["users"].alias
    assert not policies["name"].alias


def test_counting_keys_have_no_default_of_another_engine() -> None:
    assert system_tables().fields["directus_activity"]["id"].default is None


@pytest.mark.parametrize("version", ["10", "11", "12"])
def test_no_version_of_directus_lacks_what_is_needed(version: directus.Version) -> None:
    assert list(missing_parts(directus.system_tables(version))) == []


def test_tables_between_two_versions_are_missed() -> None:
    between = {**directus.system_tables("10"), "directus_policies": directus.system_tables("11")["directus_policies"]}
    assert list(missing_parts(between)) == ["directus_access", "directus_permissions.policy"]
    users = {name: column for name, column in between["directus_users"].items() if name != "provider"}
    assert "directus_users.provider" in missing_parts({**between, "directus_users": users})
