"""Backends that break chapter 2."""

import fnmatch
import posixpath
import unicodedata
import uuid
from typing import Any

from resultspec import DOMAINS
from resultspec_conformance.broken.baseline.server import TASK_KEY_PREFIX
from resultspec_conformance.broken.baseline.whole import Correct
from resultspec_conformance.broken.catalogue import broken


@broken("ID-1", "colon-refused")
class ColonRefused(Correct):
    """Refuses ids with a colon or a tilde, though they are portable."""

    def normal_id(self, task_id: Any) -> str:
        """Refuse two characters."""
        text = super().normal_id(task_id)
        if set(text) & set(":~"):
            raise ValueError("an id must not contain a colon or a tilde")
        return text


@broken("ID-1", "ids-of-128-characters-at-most")
class IdsOf128CharactersAtMost(Correct):
    """Refuses ids of more than 128 characters."""

    def normal_id(self, task_id: Any) -> str:
        """Refuse what is long."""
        text = super().normal_id(task_id)
        if len(text) > 128:
            raise ValueError("an id has at most 128 characters")
        return text


@broken("ID-1", "ids-hashed-too-short")
class IdsHashedTooShort(Correct):
    """Puts the length and the first and last character of an id into the key in place of the id."""

    def key(self, task_id: str) -> str:
        """Return a key that several short ids share."""
        if len(task_id) > 2:
            return super().key(task_id)
        return super().key(task_id[0])


@broken("ID-2", "ids-case-folded", also=["KEY-1"])
class IdsCaseFolded(Correct):
    """Compares ids without regard to case, as the usual collations of MySQL do."""

    def key(self, task_id: str) -> str:
        """Return a folded key."""
        return self.prefix + TASK_KEY_PREFIX + task_id.casefold()


@broken("ID-2", "ids-right-stripped", also=["ID-3", "KEY-1"])
class IdsRightStripped(Correct):
    """Compares ids without trailing blanks, as CHAR columns do."""

    def key(self, task_id: str) -> str:
        """Return a key without trailing blanks."""
        return super().key(task_id).rstrip(" ")


@broken("ID-2", "ids-normalised")
class IdsNormalised(Correct):
    """Normalises ids, as some file systems do with names."""

    def key(self, task_id: str) -> str:
        """Return a normalised key."""
        return unicodedata.normalize("NFC", super().key(task_id))


@broken("ID-3", "long-ids-cut")
class LongIdsCut(Correct):
    """Cuts ids after 155 characters, as a database that is not strict does."""

    def key(self, task_id: str) -> str:
        """Return a key of a cut id."""
        return super().key(task_id[: DOMAINS.id_max_length])


@broken("ID-3", "odd-characters-dropped", also=["ID-2", "ID-6", "KEY-1"])
class OddCharactersDropped(Correct):
    """Leaves out of an id what is not ASCII or does not print."""

    def key(self, task_id: str) -> str:
        """Return a key of the rest."""
        return super().key("".join(c for c in task_id if c.isascii() and (c.isprintable() or c.isspace())))


@broken("ID-3", "surrogates-replaced")
class SurrogatesReplaced(Correct):
    """Replaces lone surrogates by a replacement character."""

    def key(self, task_id: str) -> str:
        """Return a key that can be encoded."""
        return super().key(task_id).encode("utf-8", "replace").decode()


@broken("ID-3", "refused-after-storing")
class RefusedAfterStoring(Correct):
    """Refuses ids that are not ASCII after it has stored their entry."""

    def store_result(self, task_id: Any, result: Any, state: Any, traceback: Any = None, request: Any = None) -> None:
        """Store, then refuse."""
        super().store_result(task_id, result, state, traceback, request)
        if not str(task_id).isascii():
            raise ValueError("an id is ASCII")


@broken("ID-7", "refusal-of-an-id-says-nothing")
class RefusalSaysNothing(Correct):
    """Refuses long ids with an error that does not say whether anything was stored."""

    def normal_id(self, task_id: Any) -> str:
        """Fail as a client library does."""
        found = super().normal_id(task_id)
        if len(found) > DOMAINS.id_max_length:
            raise OSError("illegal key")
        return found


@broken("ID-4", "null-is-an-id")
class NullIsAnId(Correct):
    """Takes the text of whatever is given for the id."""

    def normal_id(self, task_id: Any) -> str:
        """Return the text."""
        return super().normal_id(str(task_id))


@broken("ID-4", "empty-id")
class EmptyId(Correct):
    """Takes the empty text for an id."""

    def normal_id(self, task_id: Any) -> str:
        """Let the empty text pass."""
        return task_id if task_id == "" else super().normal_id(task_id)


@broken("ID-4", "wrong-id-reads-pending")
class WrongIdReadsPending(Correct):
    """Checks ids where it stores, and reads PENDING for what is none."""

    def get_task_meta(self, task_id: Any, cache: bool = True) -> dict[str, Any]:
        """Return the meta of an unknown task for a wrong id."""
        if not isinstance(task_id, (str, uuid.UUID)):
            return self.unknown(str(task_id))
        return super().get_task_meta(task_id, cache)


@broken("ID-4", "forget-of-null-is-ignored")
class ForgetOfNullIsIgnored(Correct):
    """Lets `forget` of null and of the empty text succeed."""

    def forget(self, task_id: Any) -> None:
        """Do nothing for what is empty."""
        if task_id:
            super().forget(task_id)


@broken("ID-5", "uuid-refused", also=["READ-7"])
class UuidRefused(Correct):
    """Refuses UUIDs, as the SQL backend of Celery 5.7.0 does."""

    def normal_id(self, task_id: Any) -> str:
        """Refuse anything but text."""
        if isinstance(task_id, uuid.UUID):
            raise TypeError("an id is text")
        return super().normal_id(task_id)


@broken("ID-5", "uuid-without-hyphens", also=["READ-7"])
class UuidWithoutHyphens(Correct):
    """Takes the 32 digits of a UUID for its text."""

    def normal_id(self, task_id: Any) -> str:
        """Return the digits."""
        return task_id.hex if isinstance(task_id, uuid.UUID) else super().normal_id(task_id)


@broken("ID-5", "forget-keeps-uuids", also=["READ-7"])
class ForgetKeepsUuids(Correct):
    """Looks for the wrong entry where `forget` is given a UUID."""

    def forget(self, task_id: Any) -> None:
        """Forget by the form that was given."""
        super().forget(repr(task_id) if isinstance(task_id, uuid.UUID) else task_id)


@broken("ID-5", "uuid-in-the-meta")
class UuidInTheMeta(Correct):
    """Returns the UUID itself as `task_id` where it was asked for by one."""

    def get_task_meta(self, task_id: Any, cache: bool = True) -> dict[str, Any]:
        """Return the id as it was given."""
        return {**super().get_task_meta(task_id, cache), "task_id": task_id}


@broken("ID-6", "forget-by-pattern")
class ForgetByPattern(Correct):
    """Takes the id of `forget` for a pattern, and removes every key that it matches."""

    def forget(self, task_id: Any) -> None:
        """Remove what matches."""
        super().forget(task_id)
        pattern = self.key(self.normal_id(task_id))
        for key in list(self.link.server.data):
            if fnmatch.fnmatchcase(key, pattern):
                self.link.delete(key)


@broken("ID-6", "reads-like-sql")
class ReadsLikeSql(Correct):
    """Compares with LIKE: a per cent sign or an underscore in an id stands for other characters."""

    def read(self, task_id: str) -> dict[str, Any]:
        """Return the first entry that the id is like."""
        found = super().read(task_id)
        if "%" not in task_id or found["status"] != "PENDING":
            return found
        pattern = self.key(task_id).replace("[", "[[]").replace("*", "[*]").replace("?", "[?]").replace("%", "*")
        for key in sorted(self.link.server.data):
            if fnmatch.fnmatchcase(key, pattern):
                return super().read(key[len(self.key("")) :])
        return found


@broken("ID-6", "id-is-a-path")
class IdIsAPath(Correct):
    """Uses the id as a path, so that `x/../y` is `y`."""

    def key(self, task_id: str) -> str:
        """Return a key with the path made short."""
        return self.prefix + TASK_KEY_PREFIX + (posixpath.normpath(task_id) if "/../" in task_id else task_id)


@broken("ID-6", "prefix-stripped")
class PrefixStripped(Correct):
    """Takes an id that begins with the key prefix for a key."""

    def key(self, task_id: str) -> str:
        """Return the key of an id that may be one."""
        return super().key(task_id.removeprefix(TASK_KEY_PREFIX))


@broken("ID-6", "id-cut-at-nul", also=["ID-3"])
class IdCutAtNul(Correct):
    """Ends an id at its first NUL, as C does."""

    def key(self, task_id: str) -> str:
        """Return the key of what is before NUL."""
        return super().key(task_id.partition("\x00")[0])
