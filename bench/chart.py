"""A scenario's rows as a drawing: SVG of bars, the same bytes for the same rows. Pure."""

import re
import unicodedata
from collections.abc import Sequence
from html import escape

from bench.rows import Row
from bench.tables import MET, goal, number, spread

WIDTH, NAMES, BARS = 760, 90, 470
BAR, GAP, TITLE, MARGIN = 18, 5, 34, 14
COLOURS = {"ours": "#d9480f", "peer": "#868e96", "limit": "#1c7ed6"}
OTHER = "#5f3dc4"
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#212529}.title{font-weight:600;font-size:15px}"
    ".unit{fill:#495057}.back{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#e9ecef}.unit{fill:#adb5bd}.back{fill:#212529}}"
)


def name_of(scenario: str) -> str:
    """The file's name: letters and digits of the scenario's."""
    plain = unicodedata.normalize("NFKD", scenario).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") + ".svg"


def svg(scenario: str, rows: Sequence[Row]) -> str:
    """One group of bars a row, each group with a scale of its own."""
    parts, top = [], TITLE + MARGIN
    for row in rows:
        drawn, height = _group(row, top)
        parts += drawn
        top += height
    size = f'width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(scenario)}">',
            f"<style>{STYLE}</style>",
            f'<rect class="back" width="{WIDTH}" height="{top}"/>',
            f'<text class="title" x="{MARGIN}" y="{TITLE - 8}">{escape(scenario)}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def _group(row: Row, top: int) -> tuple[list[str], int]:
    """The bars of a row under its unit, and how high they are."""
    values = row.get("figures") or {key: row[key] for key in COLOURS if row[key] is not None}
    marked = row["goal"] if row["of"] == "ours" else None
    most = max([*values.values(), marked or 0, 1e-12])
    words = [row["unit"], f"{row['clients']} client{'s' if row['clients'] > 1 else ''}", _verdict(row)]
    parts = [f'<text class="unit" x="{MARGIN}" y="{top + 4}">{escape(" · ".join(filter(None, words)))}</text>']
    y = top + 14
    for key, value in values.items():
        length = value / most * BARS
        parts += [
            f'<text x="{MARGIN}" y="{y + 14}">{key}</text>',
            f'<rect x="{NAMES}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" fill="{COLOURS.get(key, OTHER)}"/>',
            f'<text x="{NAMES + length + 6:.1f}" y="{y + 14}">{number(value)}</text>',
        ]
        y += BAR + GAP
    if marked is not None:
        x = NAMES + marked / most * BARS
        parts.append(f'<path d="M{x:.1f} {top + 10}V{y}" stroke="#2b8a3e" stroke-width="2" stroke-dasharray="4 3"/>')
    return parts, y - top + MARGIN


def _verdict(row: Row) -> str:
    """The ratio with its spread, and what was asked."""
    told = spread(row) if row["ratio"] is not None else ""
    asked = goal(row)
    met = {"yes": "met", "**no**": "missed"}.get(MET[row["met"]], "")
    return ", ".join(filter(None, [told and f"ratio {told}", asked and f"goal {asked}", met]))
