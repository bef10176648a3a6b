"""The audience's rows as a table."""

from collections.abc import Sequence
from typing import Any

PART = "audience"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """As Markdown; nothing without rows."""
    if not rows:
        return ""
    lines = ["| scenario | ours | the other | ratio (lowest to highest) | goal | met |", "|---|---|---|---|---|---|"]
    for row in rows:
        met = {None: "", True: "yes", False: "**no**"}[row["met"]]
        goal = f"≥ {row['least']:g}" if row["least"] is not None else f"≤ {row['most']:g}" if row["most"] else ""
        other = "" if row["other"] is None else f"{row['other']:,g}"
        spread = f"{row['ratio_low']:,.2f} to {row['ratio_high']:,.2f}"
        ratio = spread if row["ratio"] is None else f"{row['ratio']:,.2f} ({spread})"
        ours = f"{row['ours']:,.0f}" if row["ours"] >= 100 else f"{row['ours']:,.3g}"
        lines.append(f"| {row['scenario']}: {row['unit']} | {ours} | {other} | {ratio} | {goal} | {met} |")
    return "\n".join(lines)
