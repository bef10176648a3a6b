"""Writes the figures into the pages: tables between two marks, a chart a scenario beside them."""

from collections.abc import Sequence
from pathlib import Path

from bench import chart, tables
from bench.model import page as capacity_page
from bench.parts import PARTS
from bench.plan import CAPACITY, CHARTS, DOCUMENT
from bench.rows import Row

BEGIN, END = "<!-- figures: written by `python -m bench document` -->", "<!-- end of the figures -->"


def write(rows: Sequence[Row]) -> None:
    """The page about performance, its charts, and the page about capacity; charts of scenarios that are no more go."""
    CHARTS.mkdir(exist_ok=True)
    for old in CHARTS.glob("*.svg"):
        old.unlink()
    for path, text in written(rows).items():
        path.write_text(text, encoding="utf-8")


def written(rows: Sequence[Row]) -> dict[Path, str]:
    """Every file with what is to stand in it."""
    scenarios: dict[str, list[Row]] = {}
    for row in rows:
        scenarios.setdefault(row["scenario"], []).append(row)
    drawn = {CHARTS / chart.name_of(scenario): chart.svg(scenario, of) for scenario, of in scenarios.items()}
    links = {scenario: f"{CHARTS.name}/{chart.name_of(scenario)}" for scenario in scenarios}
    return drawn | {
        DOCUMENT: between(DOCUMENT.read_text(encoding="utf-8"), figures(rows, links)),
        CAPACITY: between(CAPACITY.read_text(encoding="utf-8"), capacity_page(rows)),
    }


def figures(rows: Sequence[Row], charts: dict[str, str]) -> str:
    """A table for each part, with the command that measures it again; then the machine and the versions."""
    told = []
    for part in PARTS:
        of = [row for row in rows if row["part"] == part.name]
        if not of:
            continue
        told.append(f"### {part.title}\n\n`{of[0]['run']['command']}`\n\n{tables.table(of, charts)}")
        if costs := tables.costs(of):
            told.append(f"Processor time, in microseconds an answer:\n\n{costs}")
        if grown := tables.growth(of):
            told.append(grown)
    told.append(f"### Machine and versions\n\n{tables.facts(rows)}")
    return "\n\n".join(told)


def between(text: str, figures: str) -> str:
    """A page's text with other figures between its two marks. Raises ValueError for a page without them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for figures")
    return f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}"
