"""The client's session without a socket: what it sends, and when."""

import json
from typing import Any

import pytest

from tidegate.client import ConnectionLostError, Event, Login, TidegateError, Token, TokenSource
from tidegate.client.session import Answer, Delivery, Effect, Failure, Fetch, Ready, Rejection, Send, Session

SUBSCRIBE = {"collection": "messages"}
READ = {"type": "items", "action": "read", "collection": "messages"}
AUTH_OK = '{"type":"auth","status":"ok"}'
PASSWORD_OK = '{"type":"auth","status":"ok","refresh_token":"r1"}'
EXPIRED = '{"type":"auth","status":"error","error":{"code":"TOKEN_EXPIRED","message":"Token expired."}}'
FAILED = '{"type":"auth","status":"error","error":{"code":"AUTH_FAILED","message":"Authentication failed."}}'
TIMED_OUT = '{"type":"auth","status":"error","error":{"code":"AUTH_TIMEOUT","message":"Too late."}}'
LOGIN = {"type": "auth", "email": "a@example.com", "password": "pw"}


async def next_token() -> str:
    return "fresh"


def sent(effects: list[Effect]) -> list[dict[str, Any]]:
    return [json.loads(effect.text) for effect in effects if isinstance(effect, Send)]


def ready_session(credentials: Token | Login | TokenSource | None = None) -> Session:
    session = Session(credentials)
    session.opened()
    if credentials is not None:
        session.receive(PASSWORD_OK if isinstance(credentials, Login) else AUTH_OK)
    return session


def test_session_sends_a_token_first() -> None:
    assert sent(Session(Token("t")).opened()) == [{"type": "auth", "access_token": "t"}]


def test_session_sends_email_and_password_first() -> None:
    assert sent(Session(Login("a@example.com", "pw")).opened()) == [LOGIN]


def test_session_sends_the_one_time_password() -> None:
    assert sent(Session(Login("a@example.com", "pw", "123456")).opened()) == [{**LOGIN, "otp": "123456"}]


def test_session_asks_the_token_source() -> None:
    session = Session(TokenSource(next_token))
    assert session.opened() == [Fetch()]
    assert sent(session.authenticate("fresh")) == [{"type": "auth", "access_token": "fresh"}]


def test_session_without_credentials_is_ready_at_once() -> None:
    assert Session(None).opened() == [Ready()]


def test_session_answers_ping() -> None:
    assert sent(ready_session().receive('{"type":"ping"}')) == [{"type": "pong"}]


@pytest.mark.parametrize("text", ["{nope", "[]", "1", "{}", '{"type":"dance"}', '{"type":"items","uid":[1]}', b"\xff"])
def test_session_leaves_alone_what_it_does_not_understand(text: str | bytes) -> None:
    assert ready_session().receive(text) == []


def test_request_waits_until_authenticated() -> None:
    session = Session(Token("t"))
    uid, effects = session.request(READ)
    assert effects == []
    assert sent(session.opened()) == [{"type": "auth", "access_token": "t"}]
    assert sent(session.receive(AUTH_OK)) == [{**READ, "uid": uid}]


def test_request_is_answered_once() -> None:
    session = ready_session()
    uid, effects = session.request(READ)
    assert sent(effects) == [{**READ, "uid": uid}]
    answer = json.dumps({"type": "items", "data": [{"id": 1}], "uid": uid})
    assert session.receive(answer) == [Answer(uid, [{"id": 1}])]
    assert session.receive(answer) == []


def test_request_fails_with_the_code_of_the_server() -> None:
    session = ready_session()
    uid, _ = session.request(READ)
    error = {"code": "RECORD_NOT_UNIQUE", "message": "Taken.", "field": "slug"}
    (failure,) = session.receive(json.dumps({"type": "items", "status": "error", "error": error, "uid": uid}))
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, TidegateError)
    assert (failure.error.code, failure.error.message) == ("RECORD_NOT_UNIQUE", "Taken.")
    assert failure.error.extensions == {"field": "slug"}


def test_request_fails_with_a_code_that_is_not_known() -> None:
    session = ready_session()
    uid, _ = session.request(READ)
    text = json.dumps({"type": "items", "status": "error", "error": {"code": "NEW", "message": "So."}, "uid": uid})
    (failure,) = session.receive(text)
    assert isinstance(failure, Failure)
    assert str(failure.error) == "NEW: So."


def test_only_requests_that_were_sent_fail_when_the_connection_is_lost() -> None:
    session = ready_session(Token("t"))
    asked, _ = session.request(READ)
    (failure,) = session.closed()
    assert isinstance(failure, Failure)
    assert (failure.uid, type(failure.error)) == (asked, ConnectionLostError)
    waiting, effects = session.request(READ)
    assert effects == []
    assert session.closed() == []
    session.opened()
    assert sent(session.receive(AUTH_OK)) == [{**READ, "uid": waiting}]


def test_subscription_delivers_its_events() -> None:
    session = ready_session()
    uid, effects = session.subscribe(SUBSCRIBE)
    assert sent(effects) == [{"type": "subscribe", "collection": "messages", "uid": uid}]
    for event in (Event("init", [{"id": 1}]), Event("create", [{"id": 2}]), Event("delete", [1])):
        text = json.dumps({"type": "subscription", "event": event.name, "data": event.data, "uid": uid})
        assert session.receive(text) == [Delivery(uid, event)]


def test_subscription_of_one_event_begins_with_nothing() -> None:
    session = ready_session()
    uid, _ = session.subscribe({**SUBSCRIBE, "event": "create"})
    text = json.dumps({"type": "subscription", "event": "init", "uid": uid})
    assert session.receive(text) == [Delivery(uid, Event("init", []))]


def test_subscription_is_refused() -> None:
    session = ready_session()
    uid, _ = session.subscribe(SUBSCRIBE)
    error = {"code": "FORBIDDEN", "message": "No."}
    (failure,) = session.receive(json.dumps({"type": "subscribe", "status": "error", "error": error, "uid": uid}))
    assert isinstance(failure, Failure)
    assert failure.uid == uid
    assert session.unsubscribe(uid) == []
    session.closed()
    assert sent(session.opened()) == []


def test_subscriptions_begin_again_on_the_next_connection() -> None:
    session = ready_session(Token("t"))
    first, _ = session.subscribe(SUBSCRIBE)
    second, _ = session.subscribe(SUBSCRIBE)
    session.unsubscribe(first)
    session.closed()
    assert sent(session.opened()) == [{"type": "auth", "access_token": "t"}]
    assert sent(session.receive(AUTH_OK)) == [{"type": "subscribe", "collection": "messages", "uid": second}]


def test_unsubscribed_subscription_delivers_no_more() -> None:
    session = ready_session()
    uid, _ = session.subscribe(SUBSCRIBE)
    assert sent(session.unsubscribe(uid)) == [{"type": "unsubscribe", "uid": uid}]
    assert session.receive(json.dumps({"type": "subscription", "event": "create", "data": [], "uid": uid})) == []
    assert session.receive(json.dumps({"type": "subscription", "event": "unsubscribe", "uid": uid})) == []


def test_expired_login_is_renewed_by_refresh_token() -> None:
    session = ready_session(Login("a@example.com", "pw"))
    subscription, _ = session.subscribe(SUBSCRIBE)
    assert sent(session.receive(EXPIRED)) == [{"type": "auth", "refresh_token": "r1"}]
    request, effects = session.request(READ)
    late, _ = session.subscribe(SUBSCRIBE)
    assert effects == []
    messages = sent(session.receive(PASSWORD_OK.replace("r1", "r2")))
    assert [message["uid"] for message in messages] == [late, request]
    assert sent(session.receive(EXPIRED)) == [{"type": "auth", "refresh_token": "r2"}]
    assert subscription not in {message["uid"] for message in messages}


def test_used_up_refresh_token_falls_back_on_the_password() -> None:
    session = ready_session(Login("a@example.com", "pw"))
    session.receive(EXPIRED)
    assert sent(session.receive(FAILED)) == [LOGIN]
    (rejection,) = session.receive(FAILED)
    assert isinstance(rejection, Rejection)
    assert rejection.error.code == "AUTH_FAILED"


def test_expired_token_source_is_asked_again() -> None:
    assert ready_session(TokenSource(next_token)).receive(EXPIRED) == [Fetch()]


def test_expired_fixed_token_ends_the_client() -> None:
    (rejection,) = ready_session(Token("t")).receive(EXPIRED)
    assert isinstance(rejection, Rejection)
    assert rejection.error.code == "TOKEN_EXPIRED"


def test_wrong_credentials_end_the_client() -> None:
    session = Session(Token("t"))
    session.opened()
    (rejection,) = session.receive(FAILED)
    assert isinstance(rejection, Rejection)


def test_late_authentication_waits_for_the_next_connection() -> None:
    session = Session(TokenSource(next_token))
    session.opened()
    assert session.receive(TIMED_OUT) == []


def test_server_that_asks_for_credentials_ends_a_client_without() -> None:
    (rejection,) = ready_session().receive(TIMED_OUT)
    assert isinstance(rejection, Rejection)


def test_credentials_do_not_show_themselves() -> None:
    assert "hush" not in repr((Token("hush"), Login("a@example.com", "hush", "hush")))
