"""The first administrator of an empty database: a password where none is set, and what a person is told."""

import secrets

from tidegate.settings import Settings

PASSWORD_BYTES = 12
"""Random bytes of a generated password: 16 characters."""


def with_password(settings: Settings) -> Settings:
    """The settings with a generated password where they name an administrator without one."""
    if settings.admin_email is None or settings.admin_password is not None:
        return settings
    return settings.model_copy(update={"admin_password": secrets.token_urlsafe(PASSWORD_BYTES)})


def introduction(given: Settings, used: Settings) -> str:
    """What to say once an empty database was filled by `used`, which is `with_password(given)`."""
    if used.admin_email is None:
        return (
            "Made the system tables, and no administrator, since ADMIN_EMAIL is not set. To make one:\n"
            "tidegate users create --role Administrator --email ADDRESS"
        )
    made = f"Made the system tables and the administrator {used.admin_email}."
    if given.admin_password is None:
        return f"{made}\nPassword (shown this once): {used.admin_password}"
    return made
