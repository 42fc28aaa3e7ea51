"""The picture of a benchmark."""

from collections.abc import Sequence

import pygal
from pygal.style import Style

from benchmarks.contender import Store
from benchmarks.rounds import Line


def draw(store: Store, found: Sequence[Line]) -> str:
    """Return an SVG: for each measure a bar per contender, as long as it is fast, with its quartiles."""
    names = list(dict.fromkeys(line.measure for line in found))
    chart = pygal.Bar(
        title=f"Results in {store.server}: speed, as a part of the bare client's",
        style=Style(colors=tuple(contender.color for contender in store.contenders)),
        x_labels=names,
        range=(0, max(1.2, *(line.high for line in found))),
        value_formatter=lambda value: f"{value:.2f}",
        print_values=True,
        legend_at_bottom=True,
        disable_xml_declaration=True,
        js=(),
    )
    for contender in store.contenders:
        mine = {line.measure: line for line in found if line.contender == contender.name}
        chart.add(
            contender.name,
            [
                {"value": mine[name].ratio, "ci": {"low": mine[name].low, "high": mine[name].high}}
                if name in mine
                else None
                for name in names
            ],
        )
    return str(chart.render(is_unicode=True))
