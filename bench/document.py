"""Writes the figures into the pages: tables between two marks, a chart a scenario beside them."""

from collections.abc import Sequence

from bench import chart, tables
from bench.model import page as capacity_page
from bench.parts import PARTS
from bench.plan import CAPACITY, CHARTS, DOCUMENT
from bench.rows import Row

BEGIN, END = "<!-- figures: written by `python -m bench document` -->", "<!-- end of the figures -->"


def write(rows: Sequence[Row]) -> None:
    """The page about performance, its charts, and the page about capacity."""
    charts = draw(rows)
    DOCUMENT.write_text(between(DOCUMENT.read_text(encoding="utf-8"), figures(rows, charts)), encoding="utf-8")
    CAPACITY.write_text(between(CAPACITY.read_text(encoding="utf-8"), capacity_page(rows)), encoding="utf-8")


def draw(rows: Sequence[Row]) -> dict[str, str]:
    """A file for each scenario, as it is linked from the page; files of scenarios that are no more go."""
    CHARTS.mkdir(exist_ok=True)
    scenarios: dict[str, list[Row]] = {}
    for row in rows:
        scenarios.setdefault(row["scenario"], []).append(row)
    names = {scenario: chart.name_of(scenario) for scenario in scenarios}
    for old in set(CHARTS.glob("*.svg")) - {CHARTS / name for name in names.values()}:
        old.unlink()
    for scenario, of in scenarios.items():
        (CHARTS / names[scenario]).write_text(chart.svg(scenario, of), encoding="utf-8")
    return {scenario: f"{CHARTS.name}/{name}" for scenario, name in names.items()}


def figures(rows: Sequence[Row], charts: dict[str, str]) -> str:
    """A table for each part, with the command that measures it again; then the machine and the versions."""
    written = []
    for part in PARTS:
        of = [row for row in rows if row["part"] == part.name]
        if not of:
            continue
        written.append(f"### {part.title}\n\n`{of[0]['run']['command']}`\n\n{tables.table(of, charts)}")
        if costs := tables.costs(of):
            written.append(f"Processor time, in microseconds an answer:\n\n{costs}")
        if grown := tables.growth(of):
            written.append(grown)
    written.append(f"### Machine and versions\n\n{tables.facts(rows)}")
    return "\n\n".join(written)


def between(text: str, figures: str) -> str:
    """A page's text with other figures between its two marks. Raises ValueError for a page without them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for figures")
    return f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}"
