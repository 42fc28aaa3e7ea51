"""`python -m docs.generate FOLDER`: write the source of the site, from which MkDocs makes it."""

import shutil
import sys
from pathlib import Path

from docs.generate.links import DeadLinkError
from docs.generate.repository import ROOT
from docs.generate.site import Site, site


def write(made: Site, folder: Path) -> None:
    """Write a site into a folder, which holds nothing else afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    texts = {page.path: page.text for page in made.pages} | dict(made.texts)
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name, source in made.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)


def main(arguments: list[str]) -> int:
    """Write the site of this checkout. Returns the exit code: 0, 1 for a dead link, 2 for wrong usage."""
    if len(arguments) != 1:
        print("usage: python -m docs.generate FOLDER", file=sys.stderr)
        return 2
    try:
        made = site(ROOT)
    except DeadLinkError as error:
        print(error, file=sys.stderr)
        return 1
    write(made, Path(arguments[0]))
    print(f"{len(made.pages)} pages and {len(made.files)} files in {arguments[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
