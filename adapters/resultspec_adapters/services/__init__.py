"""Throw-away servers: where they come from, and that none outlives the process which asked for it.

A source is a ladder of ways (`ladder`), tried in order. A server that is started belongs to a keeper, a small process
of its own (`keeper` is this side of it, `kept` the other), which stops the server as soon as its standard input
ends: at `stop`, but also when the process that asked for the server is killed.
"""
