"""The generated blocks of `docs/architecture.md`: `python -m docs.generate.architecture.page` writes them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from docs.generate.architecture.import_diagrams import package_diagram, packages_diagram, rooms_table
from docs.generate.architecture.imports import Tree
from docs.generate.architecture.machine_diagrams import (
    counting_diagram,
    exceptions_table,
    joining_steps,
    machine_diagram,
    waiting_steps,
)
from docs.generate.architecture.marked_blocks import filled
from docs.generate.architecture.run_diagram import run_diagram, run_list
from docs.generate.architecture.state_diagrams import task_diagram, task_table
from docs.generate.repository import ROOT
from resultspec import STATES
from resultspec_reference.chords import ledger

PAGE: Final = ROOT / "docs" / "architecture.md"

NEIGHBOURS: Final = {"spec": (), "reference": (), "conformance": (), "adapters": ("reference", "conformance")}
"""The packages, and for each the others that are drawn with it: a store stands on the reference."""


def import_blocks(tree: Tree) -> Mapping[str, str]:
    """Return the pictures and tables of the imports."""
    blocks = {"packages": packages_diagram(tree)}
    for package, others in NEIGHBOURS.items():
        blocks[package] = f"{package_diagram(tree, package, others)}\n\n{rooms_table(tree, package)}"
    return blocks


def machine_blocks() -> Mapping[str, str]:
    """Return the state diagrams."""
    waiting, joining = waiting_steps(), joining_steps()
    modes = (f"Mode *{mode}*:\n\n{counting_diagram(table)}" for mode, table in ledger.TRANSITIONS.items())
    return {
        "task states": f"{task_diagram(STATES)}\n\n{task_table(STATES)}",
        "waiting": f"{machine_diagram(waiting)}\n\n{exceptions_table(waiting)}",
        "joining": f"{machine_diagram(joining)}\n\n{exceptions_table(joining)}",
        "counting": "\n\n".join(modes),
    }


def page(written: str) -> str:
    """Return the page as it should be, given what is written by hand around the blocks."""
    return filled(written, {"run": f"{run_diagram()}\n\n{run_list()}", **import_blocks(Tree()), **machine_blocks()})


def main(path: Path = PAGE) -> None:
    """Write the page."""
    path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
