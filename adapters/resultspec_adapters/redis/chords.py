"""The ledgers of chords in a Redis: each step of a ledger is one Lua script, one round trip.

The keys are those of Celery 5.7, and Celery can read their values:

* `<key of the group>.j`: a sorted set of `[…, task id, state, result]` in the serializer, by their index
* `….d`: the set of `<task id>:<index>` of the parts that have been counted
* `….s`: the size that the client has set; `….t`: how many parts were added
* `….c`: the token of the worker that decides, for the time of its lease; then `done`
* `chord-unlock-<group id>`: a hash of what Celery does not store: the number of leaves and the nesting of the header,
  the token of the call that set the size, and that of the last claim.

Each key has a lifetime from its first write on, which every part renews. When the chord is decided, all are removed
except the mark `done` and, for a minute, the token of the last claim. By that token a worker whose answer was lost
knows that it has the decision.

The keys of a release that counts in another way, in a list or without the set of parts, are left as they are.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import redis

from resultspec_adapters.redis.connection import CommandConnections, Server
from resultspec_reference.chords.ledger import Claim, Claimed, Part, Recorded
from resultspec_reference.errors import DecodeError

_COMMON: Final = """
-- KEYS: results, counted, size, added, decision, run, group
local results, counted, size_key, added_key, decision, run = unpack(KEYS, 1, 6)

local function live(life)
    for index = 1, 4 do redis.call('PEXPIRE', KEYS[index], life) end
    redis.call('PEXPIRE', run, life)
end

-- returns how many parts have returned, and whether that is all of them; or nil and the reason
local function look(hint)
    local here, known = redis.pcall('ZCARD', results), redis.pcall('SCARD', counted)
    local size, added = redis.pcall('GET', size_key), redis.pcall('GET', added_key)
    local leaves = redis.pcall('HGET', run, 'leaves')
    for _, found in ipairs({here, known, size, added, leaves}) do
        if type(found) == 'table' and found.err then return nil, 'one of its keys has another type' end
    end
    if here ~= known then return nil, 'the number of counted parts differs from that of the results' end
    if (size and not tonumber(size)) or (added and not tonumber(added)) then return nil, 'its size is not a number' end
    local needed = tonumber(size or nil) or tonumber(hint) or tonumber(leaves or nil)
    return here, needed ~= nil and here >= needed + (tonumber(added or nil) or 0), needed, tonumber(added or nil) or 0
end
"""

_OPEN: Final = """
-- ARGV: leaves, nesting or '', life in ms
redis.call('DEL', unpack(KEYS, 1, 6))
redis.call('HSET', run, 'leaves', ARGV[1])
if ARGV[2] ~= '' then redis.call('HSET', run, 'header', ARGV[2]) end
redis.call('PEXPIRE', run, ARGV[3])
"""

_RESIZE: Final = """
-- ARGV: size, token of the call, life in ms
if redis.call('HGET', run, 'run') == ARGV[2] then return end
if redis.call('GET', decision) == 'done' or redis.call('EXISTS', size_key) == 1 then
    redis.call('DEL', unpack(KEYS, 1, 6))
end
redis.call('SET', size_key, ARGV[1])
redis.call('HSET', run, 'run', ARGV[2])
live(ARGV[3])
"""

_ADD: Final = """
-- ARGV: count, life in ms
if redis.call('GET', decision) == 'done' then return end
redis.call('INCRBY', added_key, ARGV[1])
live(ARGV[2])
"""

_RECORD: Final = """
-- ARGV: part, payload, index, size of the signature or '', life in ms
if redis.call('GET', decision) == 'done' then return 'DONE' end
local here, full, needed, added = look(ARGV[4])
if not here then return redis.error_reply('CHORDLAYOUT ' .. full) end
if redis.call('SADD', counted, ARGV[1]) == 1 then
    redis.call('ZADD', results, ARGV[3], ARGV[2])
    full = needed ~= nil and here + 1 >= needed + added
end
live(ARGV[5])
return full and 'FULL' or 'COUNTED'
"""

_CLAIM: Final = """
-- ARGV: token, lease in ms, size of the signature or '', life in ms
local holder = redis.call('GET', decision)
if holder == 'done' then return {'DONE'} end
local here, full = look(ARGV[3])
if not here then return redis.error_reply('CHORDLAYOUT ' .. full) end
if not full then return {'OPEN'} end
if holder and holder ~= ARGV[1] then return {'HELD', redis.call('PTTL', decision)} end
redis.call('SET', decision, ARGV[1], 'PX', ARGV[2])
redis.call('HSET', run, 'claimant', ARGV[1])
live(ARGV[4])
local saved = redis.pcall('GET', KEYS[7])
if type(saved) ~= 'string' then saved = false end
return {'GRANTED', redis.call('ZRANGE', results, 0, -1), redis.call('HGET', run, 'header'), saved}
"""

_FINISH: Final = """
-- ARGV: token, life of the mark in ms, life of the token in ms
local holder = redis.call('GET', decision)
if redis.call('HGET', run, 'claimant') ~= ARGV[1] then return 0 end
if holder == 'done' then return 1 end
if holder and holder ~= ARGV[1] then return 0 end
redis.call('DEL', unpack(KEYS, 1, 6))
redis.call('SET', decision, 'done', 'PX', ARGV[2])
redis.call('HSET', run, 'claimant', ARGV[1])
redis.call('PEXPIRE', run, ARGV[3])
return 1
"""

SCRIPTS: Final = {
    name: _COMMON + source
    for name, source in {
        "open": _OPEN,
        "resize": _RESIZE,
        "add": _ADD,
        "record": _RECORD,
        "claim": _CLAIM,
        "finish": _FINISH,
    }.items()
}

TOKEN_LIFE: Final = 60_000
"""Milliseconds for which the token of the decision is kept: longer than a step is retried."""

SUFFIXES: Final = (".j", ".d", ".s", ".t", ".c")


class RedisChordStore:
    """The steps of a ledger (`resultspec_reference.chords.ledger.ChordStore`).

    `run` runs a script by its name with keys and arguments, with `repeat` also again if the answer was lost. `keys`
    returns the keys of a group. Lives are in seconds. `shape` returns the nesting of a header that a client of Celery
    has saved under the key of the group.
    """

    def __init__(
        self,
        run: Callable[[str, Sequence[bytes], Sequence[Any], bool], Any],
        keys: Callable[[str], Sequence[bytes]],
        life: float,
        life_of_mark: float,
        shape: Callable[[bytes], bytes | None],
    ) -> None:
        self._run_script = run
        self._keys = keys
        self._life = math.ceil(life * 1000)
        self._life_of_mark = math.ceil(life_of_mark * 1000)
        self._shape = shape

    def _step(self, name: str, group_id: str, *arguments: Any, repeat: bool = True) -> Any:
        given = [b"" if argument is None else argument for argument in arguments]
        return self._run_script(name, self._keys(group_id), given, repeat)

    def open(self, group_id: str, leaves: int, header: bytes | None) -> None:
        """Begin a run."""
        self._step("open", group_id, leaves, header, self._life)

    def resize(self, group_id: str, size: int, run: str) -> None:
        """Set the number of parts."""
        self._step("resize", group_id, size, run, self._life)

    def add(self, group_id: str, count: int) -> None:
        """Let there be more parts. Not retried: it could count twice."""
        self._step("add", group_id, count, self._life, repeat=False)

    def record(self, group_id: str, part: Part, hint: int | None) -> Recorded:
        """Count a part, in one round trip whose cost does not depend on the number of parts."""
        index = "+inf" if part.index is None else part.index
        name = f"{part.task_id}:{index}"
        found: bytes = self._step("record", group_id, name, part.payload, index, hint, self._life)
        return Recorded[found.decode()]

    def claim(self, group_id: str, token: str, lease: float, hint: int | None) -> Claim:
        """Claim the decision."""
        found = self._step("claim", group_id, token, math.ceil(lease * 1000), hint, self._life)
        kind = Claimed[found[0].decode()]
        if kind is Claimed.HELD:
            return Claim(kind, seconds=max(found[1], 0) / 1000)
        if kind is not Claimed.GRANTED:
            return Claim(kind)
        _, payloads, header, saved = found
        if header is None and saved is not None:
            header = self._shape(saved)
        return Claim(kind, payloads, header)

    def finish(self, group_id: str, token: str) -> bool:
        """Mark the chord as decided."""
        return bool(self._step("finish", group_id, token, self._life_of_mark, TOKEN_LIFE))


class Scripts:
    """The scripts of one process, on connections that may send a command twice, or else by a client."""

    def __init__(self, connections: CommandConnections, client: redis.Redis) -> None:
        self._connections = connections
        self._scripts = {name: cast(Any, client).register_script(source) for name, source in SCRIPTS.items()}

    def run(self, server: Server, name: str, keys: Sequence[bytes], arguments: Sequence[Any], repeat: bool) -> Any:
        """Run a script. With `repeat`, running it twice must be harmless.

        Raises DecodeError for bookkeeping in an unknown format, OperationalError.
        """
        with server.errors():
            try:
                if repeat:
                    return self._execute(name, keys, arguments)
                return self._scripts[name](keys=keys, args=arguments)
            except redis.ResponseError as error:
                if "CHORDLAYOUT" in str(error) or "WRONGTYPE" in str(error):
                    group = keys[-1].decode(errors="replace")
                    raise DecodeError(f"unknown chord layout under {group}: {error}") from None
                raise

    def _execute(self, name: str, keys: Sequence[bytes], arguments: Sequence[Any]) -> Any:
        try:
            return self._connections.execute("EVALSHA", self._scripts[name].sha, len(keys), *keys, *arguments)
        except redis.exceptions.NoScriptError:
            # from now on, the server has the script
            return self._connections.execute("EVAL", SCRIPTS[name], len(keys), *keys, *arguments)
