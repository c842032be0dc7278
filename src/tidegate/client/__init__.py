"""A client for Tidegate, and for any server that speaks its protocol, on asyncio."""

from tidegate.client.connection import Client
from tidegate.client.messages import (
    ConnectionLostError,
    Credentials,
    Event,
    Login,
    RefusedError,
    SubscriptionOverflowError,
    Token,
    TokenSource,
)
from tidegate.errors import TidegateError

__all__ = [
    "Client",
    "ConnectionLostError",
    "Credentials",
    "Event",
    "Login",
    "RefusedError",
    "SubscriptionOverflowError",
    "TidegateError",
    "Token",
    "TokenSource",
]
