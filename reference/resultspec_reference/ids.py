"""Ids of tasks and groups: one function that normalises them, used by every public method."""

from uuid import UUID


def task_id_text(task_id: object, name: str = "task id") -> str:
    """Return an id as text; a UUID is its canonical lower-case hyphenated text. `name` is for messages.

    Raises TypeError for anything but text and UUIDs, ValueError for the empty text and for text with lone surrogates,
    which cannot be encoded in UTF-8 and so not in a key. Rules: ID-3, ID-4, ID-5.
    """
    if type(task_id) is str and task_id and task_id.isascii():
        return task_id
    if isinstance(task_id, UUID):
        return str(task_id)
    if not isinstance(task_id, str):
        raise TypeError(f"a {name} must be text or a UUID, not {type(task_id).__name__}")
    if not task_id:
        raise ValueError(f"a {name} must not be empty")
    text = str.__str__(task_id)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"a {name} must not contain lone surrogates: {text!a}") from None
    return text
