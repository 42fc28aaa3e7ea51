"""The checker of the links of the built site."""

from pathlib import Path

import pytest
from docs.check_links import check, main


def site(folder: Path, body: str) -> Path:
    """Write a site of two pages, the first with the given content."""
    (folder / "a").mkdir()
    (folder / "index.html").write_text(f"<html><body id='top'>{body}</body></html>", encoding="utf-8")
    (folder / "a" / "index.html").write_text("<h2 id='b'>B</h2><a href='../#top'>up</a>", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "body",
    [
        "<a href='a/'>a</a>",
        "<a href='a/#b'>a</a>",
        "<a href='#top'>a</a>",
        "<a href='/a/index.html?h=x#b'>a</a>",
        "<a href='https://example.org/x'>a</a>",
        "<img src='data:image/png;base64,AA=='>",
        "<link rel='canonical' href='https://example.org/'>",
    ],
)
def test_a_link_that_leads_somewhere_is_not_reported(tmp_path: Path, body: str) -> None:
    """Files, folders with an index, anchors, and links to other hosts that nothing is loaded from."""
    found = check(site(tmp_path, body))
    assert (found.pages, found.dead) == (2, ())


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("<a href='b/'>b</a>", "b/: leads to no file"),
        ("<a href='a/#c'>c</a>", "a/#c: leads to no anchor"),
        ("<a href='#c'>c</a>", "#c: leads to no anchor"),
        ("<img src='x.png'>", "x.png: leads to no file"),
        ("<script src='https://example.org/x.js'></script>", "https://example.org/x.js: is loaded from another host"),
        ("<link rel='stylesheet' href='//example.org/x.css'>", "//example.org/x.css: is loaded from another host"),
    ],
)
def test_a_dead_link_is_reported(tmp_path: Path, body: str, wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the page and the link, and the exit code 1."""
    folder = site(tmp_path, body)
    assert check(folder).dead == (f"index.html: {wrong}",)
    assert main([str(folder)]) == 1
    assert f"index.html: {wrong}" in capsys.readouterr().out


def test_a_folder_without_a_site_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty folder has no dead link, and is not a site either."""
    assert main([str(tmp_path)]) == 2
    assert "usage" in capsys.readouterr().err
