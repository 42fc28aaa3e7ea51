"""Task ids are normalised by one function."""

from uuid import UUID

import pytest

from resultspec_reference.ids import task_id_text


def test_a_uuid_is_its_canonical_text() -> None:
    """Lower case, with hyphens (ID-5)."""
    assert task_id_text(UUID("ABCDEF00000000000000000000000001")) == "abcdef00-0000-0000-0000-000000000001"


@pytest.mark.parametrize("task_id", ["a", "A b\0%*[/..\\é\U0001f600", " ", "x" * 1000])
def test_text_is_taken_as_it_is(task_id: str) -> None:
    """An id is opaque: nothing in it is folded, trimmed or escaped."""
    assert task_id_text(task_id) == task_id


@pytest.mark.parametrize(
    ("task_id", "error"),
    [
        ("", ValueError),
        ("\ud800", ValueError),
        (None, TypeError),
        (b"a", TypeError),
        (1, TypeError),
        (["a"], TypeError),
    ],
)
def test_anything_else_is_refused(task_id: object, error: type[Exception]) -> None:
    """Neither None nor bytes become the text that they print as (ID-4)."""
    with pytest.raises(error):
        task_id_text(task_id)
