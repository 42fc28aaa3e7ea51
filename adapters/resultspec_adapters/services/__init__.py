"""Throw-away servers, none of which outlives the process that asked for it.

A source has several ways to a server, which are tried in order (`sources`). A server that is started belongs to a
supervisor, a small process that runs `supervisor`; `supervised` is the side of the process that asked for the server.
The supervisor stops its server as soon as its standard input ends: at `stop`, but also when that process is killed.
"""
