"""The ledgers of chords in a Redis: each step of a ledger is one Lua script, one round trip.

The keys are those of Celery 5.7, and what is in them is such that it can be read as Celery's:

* `<key of the group>.j`: a sorted set of `[…, task id, state, result]` in the serializer, by their index
* `….d`: the set of `<task id>:<index>` of the parts that have been counted
* `….s`: the size that the client has set; `….t`: how many parts were added
* `….c`: the token of the worker that decides, for the time of its lease; then `done`
* `chord-unlock-<group id>`: a hash of what Celery does not keep: the number of leaves and the nesting of
  the header, the token of the call that set the size, and that of the last claim.

Each of them has a lifetime from its first write on, which every part renews. When the chord is decided they
are removed, but for the mark `done`, and the token of the last claim for a minute, by which a worker that
did not get its answer knows that it was it.

What was written by a release that counts otherwise, in a list or without the set of parts, is left as it is.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import redis

from resultspec_adapters.redis.connection import Lines, Server
from resultspec_reference.chords.ledger import Claim, Claimed, Part, Recorded
from resultspec_reference.errors import DecodeError

_COMMON: Final = """
-- KEYS: results, counted, size, added, decision, run, group
local results, counted, size_key, added_key, decision, run = unpack(KEYS, 1, 6)

local function live(life)
    for index = 1, 4 do redis.call('PEXPIRE', KEYS[index], life) end
    redis.call('PEXPIRE', run, life)
end

-- returns how many parts have returned, and whether that is all of them; or nil and what is wrong
local function look(hint)
    local here, known = redis.pcall('ZCARD', results), redis.pcall('SCARD', counted)
    local size, added = redis.pcall('GET', size_key), redis.pcall('GET', added_key)
    local leaves = redis.pcall('HGET', run, 'leaves')
    for _, found in ipairs({here, known, size, added, leaves}) do
        if type(found) == 'table' and found.err then return nil, 'a key of it is of another type' end
    end
    if here ~= known then return nil, 'what was counted is not what has returned' end
    if (size and not tonumber(size)) or (added and not tonumber(added)) then return nil, 'its size is no number' end
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
"""Milliseconds for which it is known who decided a chord: longer than a step is tried again."""

SUFFIXES: Final = (".j", ".d", ".s", ".t", ".c")


class RedisChordStore:
    """The steps of a ledger (`resultspec_reference.chords.ledger.ChordStore`).

    `run` runs a script by its name with keys and arguments, again if the answer was lost and `repeat` is
    true; `keys` gives the keys of a group; lives are in milliseconds; `shape` makes a nesting of what a
    client of Celery saved under the key of the group.
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
        """Let there be more parts. Not tried again: it would count twice."""
        self._step("add", group_id, count, self._life, repeat=False)

    def record(self, group_id: str, part: Part, hint: int | None) -> Recorded:
        """Count a part: one round trip, which costs the same for any number of parts."""
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
        """Say that the chord is decided."""
        return bool(self._step("finish", group_id, token, self._life_of_mark, TOKEN_LIFE))


class Scripts:
    """The scripts, as far as one process is concerned: on lines, which may send a command twice, or by a client."""

    def __init__(self, lines: Lines, client: redis.Redis) -> None:
        self._lines = lines
        self._scripts = {name: cast(Any, client).register_script(source) for name, source in SCRIPTS.items()}

    def run(self, server: Server, name: str, keys: Sequence[bytes], arguments: Sequence[Any], repeat: bool) -> Any:
        """Run a script, which does no harm twice if `repeat` is true.

        Raises DecodeError for a bookkeeping that it does not know, OperationalError.
        """
        with server.errors():
            try:
                if repeat:
                    return self._asked(name, keys, arguments)
                return self._scripts[name](keys=keys, args=arguments)
            except redis.ResponseError as error:
                if "CHORDLAYOUT" in str(error) or "WRONGTYPE" in str(error):
                    group = keys[-1].decode(errors="replace")
                    raise DecodeError(f"unknown chord layout under {group}: {error}") from None
                raise

    def _asked(self, name: str, keys: Sequence[bytes], arguments: Sequence[Any]) -> Any:
        try:
            return self._lines.ask("EVALSHA", self._scripts[name].sha, len(keys), *keys, *arguments)
        except redis.exceptions.NoScriptError:
            # the server keeps it from now on
            return self._lines.ask("EVAL", SCRIPTS[name], len(keys), *keys, *arguments)
