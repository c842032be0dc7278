"""What sockets share, whatever they speak: a connection from upgrade to end, and how changes get to subscribers.

A connection is let in by `gate`, lives the life of `auth` in a `machine`, and is moved by a `shell`. A change goes
through `dispatch` to the groups of `registry`. `json_messages`, `json_answers` and `json_machine` are what `websocket`
and `logs` say alike.
"""
