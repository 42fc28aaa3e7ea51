"""The ledgers of chords in memory: the steps of `resultspec_reference.chords.ledger`, each under one lock."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from resultspec_reference.chords.ledger import Claim, Ledger, Part, Recorded


class MemoryLedgers:
    """Ledgers by group id. `clock` is monotonic and returns seconds. Thread-safe.

    A ledger is removed when nothing has changed it for the length of its life, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ledgers: OrderedDict[str, tuple[Ledger, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ledgers)

    def of(self, life: float, life_of_mark: float) -> "MemoryChordStore":
        """Return a view for backends whose ledgers live for so many seconds."""
        return MemoryChordStore(self, life, life_of_mark)

    def step(self, group_id: str, life: Callable[[Ledger], float], change: Callable[[Ledger, float], object]) -> None:
        """Perform one step on a ledger, and renew its life: `life` of the ledger after the step."""
        with self._lock:
            now = self._clock()
            while self._ledgers and next(iter(self._ledgers.values()))[1] <= now:
                self._ledgers.popitem(last=False)
            ledger, until = self._ledgers.pop(group_id, (Ledger(), now))
            if until < now:
                ledger = Ledger()
            was_done = ledger.done
            change(ledger, now)
            if ledger.done and was_done:
                # a step that changes nothing does not renew the life of the mark either
                self._ledgers[group_id] = (ledger, until)
                self._ledgers.move_to_end(group_id, last=False)
            else:
                self._ledgers[group_id] = (ledger, now + life(ledger))


class MemoryChordStore:
    """The steps of a ledger (`resultspec_reference.chords.ledger.ChordStore`), for backends with the same lives."""

    def __init__(self, ledgers: MemoryLedgers, life: float, life_of_mark: float) -> None:
        self._ledgers = ledgers
        self._lives = {False: life, True: life_of_mark}

    def _step(self, group_id: str, change: Callable[[Ledger, float], object]) -> None:
        self._ledgers.step(group_id, lambda ledger: self._lives[ledger.done], change)

    def open(self, group_id: str, leaves: int, header: bytes | None) -> None:
        """Begin a run."""
        self._step(group_id, lambda ledger, _: ledger.open(leaves, header))

    def resize(self, group_id: str, size: int, run: str) -> None:
        """Set the number of parts."""
        self._step(group_id, lambda ledger, _: ledger.resize(size, run))

    def add(self, group_id: str, count: int) -> None:
        """Let there be more parts."""
        self._step(group_id, lambda ledger, _: ledger.add(count))

    def record(self, group_id: str, part: Part, hint: int | None) -> Recorded:
        """Count a part."""
        found: list[Recorded] = []
        self._step(group_id, lambda ledger, _: found.append(ledger.record(part, hint)))
        return found[0]

    def claim(self, group_id: str, token: str, lease: float, hint: int | None) -> Claim:
        """Claim the decision."""
        found: list[Claim] = []
        self._step(group_id, lambda ledger, now: found.append(ledger.claim(token, now, lease, hint)))
        return found[0]

    def finish(self, group_id: str, token: str) -> bool:
        """Mark the chord as decided."""
        found: list[bool] = []
        self._step(group_id, lambda ledger, _: found.append(ledger.finish(token)))
        return found[0]
