"""Backends that break chapter 5."""

import codecs
import contextlib
import datetime as dt
import decimal
import json
import pickle
import uuid
import zlib
from collections.abc import Mapping
from typing import Any

from kombu.exceptions import ContentDisallowed

from resultspec import STATES
from resultspec_conformance.broken.baseline.whole import COMPRESSED, Correct, DecodeError, EncodeError
from resultspec_conformance.broken.catalogue import broken


def each(value: Any, change: Any) -> Any:
    """Return a value with everything in it that is neither a list nor a map changed."""
    if isinstance(value, dict):
        return {key: each(member, change) for key, member in value.items()}
    if isinstance(value, list):
        return [each(member, change) for member in value]
    return change(value)


class ChangesValues(Correct):
    """Changes what is stored, but for the values of states of EXCEPTION."""

    def change(self, item: Any) -> Any:
        """Return what is stored instead of a value that is neither a list nor a map."""
        return item

    def prepare(self, value: Any, state: str) -> Any:
        """Return the changed value."""
        return super().prepare(value if state in STATES.sets["EXCEPTION"] else each(value, self.change), state)


# -- the portable domain -------------------------------------------------------------------------


@broken("VALUE-1", "falsy-values-dropped", also=["VALUE-2", "STATE-1"])
class FalsyValuesDropped(ChangesValues):
    """Stores null for a result that is false in a condition."""

    def prepare(self, value: Any, state: str) -> Any:
        """Return the value, or null."""
        return super().prepare(value if state in STATES.sets["EXCEPTION"] else value or None, state)


@broken("VALUE-1", "texts-stripped", also=["VALUE-2"])
class TextsStripped(ChangesValues):
    """Strips white space from the texts in a result."""

    def change(self, item: Any) -> Any:
        """Return a stripped text."""
        return item.strip() if isinstance(item, str) else item


@broken("VALUE-1", "floats-rounded", also=["STATE-1"])
class FloatsRounded(ChangesValues):
    """Stores numbers with no more than six significant digits."""

    def change(self, item: Any) -> Any:
        """Return a rounded number."""
        return float(f"{item:g}") if isinstance(item, float) else item


@broken("VALUE-1", "integers-of-32-bits", also=["VALUE-2", "VALUE-4"])
class IntegersOf32Bits(ChangesValues):
    """Keeps the lower 32 bits of an integer."""

    def change(self, item: Any) -> Any:
        """Return a small integer."""
        return (item + 2**31) % 2**32 - 2**31 if isinstance(item, int) and not isinstance(item, bool) else item


@broken("VALUE-1", "texts-cut", also=["VALUE-2", "VALUE-4", "STATE-15"])
class TextsCut(ChangesValues):
    """Cuts texts after 255 characters, as a VARCHAR does."""

    def change(self, item: Any) -> Any:
        """Return a short text."""
        return item[:255] if isinstance(item, str) else item


@broken("VALUE-1", "truth-values-are-numbers", also=["STATE-1"])
class TruthValuesAreNumbers(ChangesValues):
    """Stores 0 and 1 for false and true."""

    def change(self, item: Any) -> Any:
        """Return a number."""
        return int(item) if isinstance(item, bool) else item


@broken("VALUE-1", "numeric-texts-are-numbers", also=["VALUE-2"])
class NumericTextsAreNumbers(Correct):
    """Reads a text that looks like a number as a number."""

    def load(self, payload: bytes, task_id: str) -> dict[str, Any]:
        """Return the meta with numbers."""
        meta = super().load(payload, task_id)
        plain = meta["status"] not in STATES.sets["EXCEPTION"]
        return {**meta, "result": each(meta["result"], self.number) if plain else meta["result"]}

    def number(self, item: Any) -> Any:
        """Return a number for its text."""
        return int(item) if isinstance(item, str) and item.isdecimal() else item


@broken("VALUE-1", "names-case-folded")
class NamesCaseFolded(Correct):
    """Stores the names in a map in lower case."""

    def prepare(self, value: Any, state: str) -> Any:
        """Return lower names."""
        if isinstance(value, dict) and state == "SUCCESS":
            value = {name.lower() if isinstance(name, str) else name: member for name, member in value.items()}
        return super().prepare(value, state)


@broken("VALUE-1", "depth-of-50")
class DepthOf50(Correct):
    """Refuses a value that is nested deeper than 50."""

    def check_carried(self, value: Any, depth: int = 0) -> None:
        """Refuse early."""
        if depth > 52:
            raise ValueError("nested too deep")
        super().check_carried(value, depth)


@broken("VALUE-1", "large-payload-lost", also=["VALUE-2", "VALUE-4"])
class LargePayloadLost(Correct):
    """Loses a payload of more than 16 KiB and says nothing, as memcached clients do with an item that is too large."""

    def write(self, task_id: str, payload: bytes, state: str) -> bool:
        """Write what is small."""
        return len(payload) <= 16 * 1024 and super().write(task_id, payload, state)


# -- beyond it -----------------------------------------------------------------------------------


@broken("VALUE-2", "nul-ends-a-text")
class NulEndsAText(ChangesValues):
    """Stores a text up to its first NUL."""

    def change(self, item: Any) -> Any:
        """Return what is before NUL."""
        return item.partition("\0")[0] if isinstance(item, str) else item


@broken("VALUE-2", "nan-is-null")
class NanIsNull(ChangesValues):
    """Stores null for NaN and the infinities, as JavaScript does."""

    def change(self, item: Any) -> Any:
        """Return a finite number or null."""
        return None if isinstance(item, float) and item - item != 0 else item


@broken("VALUE-2", "surrogates-are-question-marks")
class SurrogatesAreQuestionMarks(ChangesValues):
    """Stores a question mark for a lone surrogate."""

    def change(self, item: Any) -> Any:
        """Return a text that can be encoded."""
        return item.encode("utf-8", "replace").decode() if isinstance(item, str) else item


@broken("VALUE-2", "integers-are-floats", also=["VALUE-4"])
class IntegersAreFloats(ChangesValues):
    """Stores integers as numbers of double precision, as JavaScript does."""

    def change(self, item: Any) -> Any:
        """Return a rounded integer."""
        return int(float(item)) if isinstance(item, int) and 2**53 < abs(item) < 2**1000 else item


@broken("VALUE-2", "what-decodes-is-not-checked")
class WhatDecodesIsNotChecked(Correct):
    """Stores what its serializer encodes, without a look at whether it can be decoded."""

    def dump(self, meta: Mapping[str, Any]) -> bytes:
        """Encode."""
        try:
            self.check_carried(meta)
            return self.serialize(meta)
        except Exception as error:
            raise EncodeError(type(error).__name__) from error


@broken("VALUE-2", "blob-of-64-kib", also=["VALUE-4", "STATE-15"])
class BlobOf64KiB(Correct):
    """Cuts a text so that the payload has no more than 64 KiB, as a BLOB of MySQL does."""

    def prepare(self, value: Any, state: str) -> Any:
        """Return what fits."""
        return super().prepare(value[:65_535] if isinstance(value, str) else value, state)


@broken("VALUE-2", "offset-of-datetimes-dropped")
class OffsetOfDatetimesDropped(ChangesValues):
    """Stores the moment of an aware datetime as a naive one."""

    def change(self, item: Any) -> Any:
        """Return a naive datetime."""
        return item.replace(tzinfo=None) if isinstance(item, dt.datetime) else item


@broken("VALUE-3", "unencodable-becomes-text", also=["VALUE-2", "EXC-9"])
class UnencodableBecomesText(Correct):
    """Stores the text of what it cannot encode."""

    def prepare(self, value: Any, state: str) -> Any:
        """Return the value if it can be encoded, else a text."""
        prepared = super().prepare(value, state)
        try:
            self.dump({"result": prepared})
        except EncodeError:
            return object.__repr__(prepared)
        return prepared


@broken("VALUE-3", "entry-removed-before-encoding", also=["VALUE-2", "STATE-12"])
class EntryRemovedBeforeEncoding(Correct):
    """Makes room for the entry before it knows whether it can encode it."""

    def store_result(self, task_id: Any, result: Any, state: Any, traceback: Any = None, request: Any = None) -> None:
        """Store, and remove the entry where that fails."""
        try:
            super().store_result(task_id, result, state, traceback, request)
        except EncodeError:
            self.link.delete(self.key(self.normal_id(task_id)))
            raise


@broken("VALUE-3", "encode-error-is-a-type-error", also=["EXC-9"])
class EncodeErrorIsATypeError(Correct):
    """Lets the serializer's own error through."""

    def store_result(self, task_id: Any, result: Any, state: Any, traceback: Any = None, request: Any = None) -> None:
        """Store, with another error."""
        try:
            super().store_result(task_id, result, state, traceback, request)
        except EncodeError as error:
            raise TypeError(str(error)) from error


@broken("VALUE-4", "values-of-a-megabyte-refused")
class ValuesOfAMegabyteRefused(Correct):
    """Refuses a payload of more than half a megabyte."""

    def dump(self, meta: Mapping[str, Any]) -> bytes:
        """Refuse what is large."""
        payload = super().dump(meta)
        if len(payload) > 2**19:
            raise ValueError("the payload is too large")
        return payload


# -- content that is not accepted ----------------------------------------------------------------


@broken("VALUE-5", "content-type-checked-late")
class ContentTypeCheckedLate(Correct):
    """Unpickles, and then looks whether pickle is accepted."""

    def parse(self, payload: bytes) -> Any:
        """Decode, then check."""
        found = self.deserialize(payload)
        super().parse(payload)
        return found


@broken("VALUE-5", "accept-ignored")
class AcceptIgnored(Correct):
    """Reads whatever its serializer decodes, whether it is accepted or not."""

    def check_accepted(self, content_type: str) -> None:
        """Accept everything."""


@broken("VALUE-5", "falls-back-to-pickle", also=["VALUE-9"])
class FallsBackToPickle(Correct):
    """Unpickles what it cannot decode, as the SQL backend of Celery 5.7.0 does."""

    def parse(self, payload: bytes) -> Any:
        """Decode one way or the other."""
        try:
            return super().parse(payload)
        except ValueError:
            if not payload.startswith(b"\x80"):
                raise
            return pickle.loads(payload)


@broken("VALUE-5", "guard-accepts-everything")
class GuardAcceptsEverything(Correct):
    """Decodes an existing entry to learn its state, whether it accepts its content type or not."""

    def stays(self, there: bytes, arriving: str) -> bool:
        """Deserialise it first."""
        with contextlib.suppress(Exception):
            self.deserialize(self.decompress(there))
        return super().stays(there, arriving)


@broken("VALUE-5", "refused-content-removed")
class RefusedContentRemoved(Correct):
    """Removes an entry whose content type it does not accept."""

    def read(self, task_id: str) -> dict[str, Any]:
        """Read, or remove."""
        try:
            return super().read(task_id)
        except ContentDisallowed:
            self.link.delete(self.key(task_id))
            raise


# -- entries that cannot be decoded --------------------------------------------------------------


@broken("VALUE-6", "torn-entry-is-pending", also=["VALUE-9", "VALUE-12"])
class TornEntryIsPending(Correct):
    """Reads an entry that cannot be decoded as unknown."""

    def read(self, task_id: str) -> dict[str, Any]:
        """Read, or return the meta of an unknown task."""
        try:
            return super().read(task_id)
        except DecodeError:
            return self.unknown(task_id)


@broken("VALUE-13", "decode-error-without-a-name")
class DecodeErrorWithoutAName(Correct):
    """Does not say which task's entry cannot be decoded."""

    def load(self, payload: bytes, task_id: str) -> dict[str, Any]:
        """Decode for a task without a name."""
        return super().load(payload, "?")


@broken("VALUE-13", "decode-error-is-a-value-error")
class DecodeErrorIsAValueError(Correct):
    """Lets the serializer's own error through, as Celery 5.7.0 does."""

    def read(self, task_id: str) -> dict[str, Any]:
        """Read, with another error."""
        try:
            return super().read(task_id)
        except DecodeError as error:
            raise ValueError(str(error)) from error


@broken("VALUE-7", "torn-entry-blocks-stores")
class TornEntryBlocksStores(Correct):
    """Raises where a store meets an entry that cannot be decoded, as Celery 5.7.0 does."""

    def stays(self, there: bytes, arriving: str) -> bool:
        """Decode what is there."""
        return self.keeps(self.load(there, "there")["status"], arriving)


@broken("VALUE-7", "torn-entry-stays")
class TornEntryStays(Correct):
    """Keeps an entry that cannot be decoded, in case it was a SUCCESS."""

    def stays(self, there: bytes, arriving: str) -> bool:
        """Keep what is not understood."""
        try:
            self.load(there, "there")
        except DecodeError:
            return True
        return super().stays(there, arriving)


@broken("VALUE-8", "forget-reads-first")
class ForgetReadsFirst(Correct):
    """Reads an entry before it forgets it."""

    def forget(self, task_id: Any) -> None:
        """Read, then forget."""
        self.get_task_meta(task_id)
        super().forget(task_id)


@broken("VALUE-8", "forget-ignores-torn-entries")
class ForgetIgnoresTornEntries(Correct):
    """Forgets what it can read, and leaves the rest where it is."""

    def forget(self, task_id: Any) -> None:
        """Forget what can be read."""
        try:
            self.get_task_meta(task_id)
        except DecodeError:
            return
        super().forget(task_id)


# -- parsers -------------------------------------------------------------------------------------


@broken("VALUE-9", "byte-order-mark-skipped")
class ByteOrderMarkSkipped(Correct):
    """Skips a byte order mark."""

    def parse(self, payload: bytes) -> Any:
        """Parse what follows."""
        return super().parse(payload.removeprefix(codecs.BOM_UTF8))


@broken("VALUE-9", "trailing-bytes-ignored")
class TrailingBytesIgnored(Correct):
    """Reads the first JSON text of a payload and ignores the rest."""

    def deserialize(self, payload: bytes) -> Any:
        """Return the first of what is there."""
        if self.serializer == "json" and b"__type__" not in payload:
            return json.JSONDecoder().raw_decode(payload.decode().lstrip(" \t\r\n"))[0]
        return super().deserialize(payload)


@broken("VALUE-9", "pairs-are-a-map")
class PairsAreAMap(Correct):
    """Makes a map of a list of pairs."""

    def parse(self, payload: bytes) -> Any:
        """Return a map."""
        return dict(super().parse(payload))


@broken("VALUE-9", "encoding-guessed")
class EncodingGuessed(Correct):
    """Guesses among the encodings of Unicode, as `json.loads` does with bytes."""

    def deserialize(self, payload: bytes) -> Any:
        """Decode by a guess."""
        if self.serializer == "json":
            payload = payload.decode(json.detect_encoding(payload)).encode("utf-8", "surrogatepass")
        return super().deserialize(payload)


@broken("VALUE-9", "bad-utf-8-replaced")
class BadUtf8Replaced(Correct):
    """Reads bytes that are not UTF-8 as replacement characters."""

    def deserialize(self, payload: bytes) -> Any:
        """Decode somehow."""
        if self.serializer == "json" and b"SUCCESS" in payload:
            payload = payload.decode("utf-8", "replace").encode()
        return super().deserialize(payload)


@broken("VALUE-14", "empty-entry-is-pending")
class EmptyEntryIsPending(Correct):
    """Takes an empty payload for no entry."""

    def load(self, payload: bytes, task_id: str) -> dict[str, Any]:
        """Return an unknown meta for nothing."""
        return super().load(payload, task_id) if payload else self.unknown(task_id)


@broken("VALUE-9", "missing-status-is-pending")
class MissingStatusIsPending(Correct):
    """Takes a map without a state for one that is PENDING."""

    def shape(self, found: Any) -> dict[str, Any]:
        """Put a state in."""
        return super().shape({"status": "PENDING", **found} if isinstance(found, dict) else found)


@broken("VALUE-14", "date-not-looked-at", also=["META-15"])
class DateNotLookedAt(Correct):
    """Returns whatever is stored as `date_done`."""

    def read_date(self, stored: Any) -> Any:
        """Return it as it is."""
        return stored


# -- type tags and compression -------------------------------------------------------------------


class _ReadsWith(Correct):
    """Changes values that it has parsed."""

    def deserialize(self, payload: bytes) -> Any:
        """Parse, and change what is in it."""
        return self.changed(super().deserialize(payload))

    def changed(self, found: Any) -> Any:
        """Return a value with its parts changed."""
        if isinstance(found, dict):
            return {name: self.changed(member) for name, member in found.items()}
        return [self.changed(member) for member in found] if isinstance(found, list) else self.change(found)

    def change(self, found: Any) -> Any:
        """Return another value."""
        return found


@broken("VALUE-15", "integers-read-as-doubles", also=["VALUE-2", "VALUE-4"])
class IntegersReadAsDoubles(_ReadsWith):
    """Reads integers as numbers of double precision, as `JSON.parse` does."""

    def change(self, found: Any) -> Any:
        """Round a large integer."""
        return int(float(found)) if isinstance(found, int) and 2**53 < abs(found) < 2**1000 else found


@broken("VALUE-15", "surrogates-read-as-replacements", also=["VALUE-2", "EXC-1", "META-6"])
class SurrogatesReadAsReplacements(_ReadsWith):
    """Reads a replacement character for a lone surrogate."""

    def change(self, found: Any) -> Any:
        """Replace surrogates."""
        if not isinstance(found, str):
            return found
        return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in found)


@broken("VALUE-10", "type-tags-passed-on", also=["VALUE-2", "EXC-1"])
class TypeTagsPassedOn(Correct):
    """Leaves type tags as maps."""

    def deserialize(self, payload: bytes) -> Any:
        """Decode plain JSON."""
        found = super().deserialize(payload)
        return json.loads(payload.decode()) if self.serializer == "json" else found


@broken("VALUE-10", "type-tags-are-texts", also=["VALUE-2"])
class TypeTagsAreTexts(Correct):
    """Reads a tagged UUID, decimal number or date as text."""

    def load(self, payload: bytes, task_id: str) -> dict[str, Any]:
        """Return texts."""
        meta = super().load(payload, task_id)
        kinds = (uuid.UUID, decimal.Decimal, dt.date, dt.time)
        return {**meta, "result": each(meta["result"], lambda item: str(item) if isinstance(item, kinds) else item)}


@broken("VALUE-11", "compression-unknown")
class CompressionUnknown(Correct):
    """Does not look for compression."""

    def decompress(self, payload: bytes) -> bytes:
        """Return the payload."""
        return payload


@broken("VALUE-11", "gzip-expected")
class GzipExpected(Correct):
    """Takes a zlib stream for a broken one, since the content type says gzip."""

    def decompress(self, payload: bytes) -> bytes:
        """Insist on the two bytes that the format of gzip begins with."""
        if payload.startswith(COMPRESSED):
            body = payload[len(COMPRESSED) :].partition(b"\x00")[2]
            return super().decompress(body if body.startswith(b"\x1f\x8b") else b"no gzip")
        return payload


@broken("VALUE-11", "limit-of-a-megabyte")
class LimitOfAMegabyte(Correct):
    """Lets a compressed payload grow to half of the limit that it declares."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.payload_limit //= 2


@broken("VALUE-12", "bomb-goes-off")
class BombGoesOff(Correct):
    """Lets a compressed payload grow without a limit."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.payload_limit = 2**31


@broken("VALUE-12", "bomb-measured-afterwards")
class BombMeasuredAfterwards(Correct):
    """Grows a compressed payload whole, and then finds it too large."""

    def decompress(self, payload: bytes) -> bytes:
        """Grow, then measure."""
        if payload.startswith(COMPRESSED):
            grown = zlib.decompress(payload[len(COMPRESSED) :].partition(b"\x00")[2])
            if len(grown) > self.payload_limit:
                raise ValueError("the payload is too large")
        return super().decompress(payload)
