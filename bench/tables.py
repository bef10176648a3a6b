"""Rows of the result as Markdown. Pure."""

from collections.abc import Mapping, Sequence

from bench.rows import Row

HEAD = (
    "| scenario | clients | | ours | peer | limit | ratio (lowest to highest) | goal | met |",
    "|---|---|---|---|---|---|---|---|---|",
)
MET = {None: "", True: "yes", False: "**no**"}
SIGNS = {"least": "≥", "most": "≤"}


def table(rows: Sequence[Row], charts: Mapping[str, str] | None = None) -> str:
    """A line a row; where a scenario has a chart, its name leads there."""
    return "\n".join([*HEAD, *(_line(each, charts or {}) for each in rows)])


def _line(row: Row, charts: Mapping[str, str]) -> str:
    name = row["scenario"]
    cells = [
        f"[{name}]({charts[name]})" if name in charts else name,
        str(row["clients"]),
        row["unit"],
        *(number(row[key]) for key in ("ours", "peer", "limit")),
        spread(row),
        goal(row),
        MET[row["met"]],
    ]
    return f"| {' | '.join(cells)} |"


def number(value: float | None) -> str:
    """With commas from a thousand on, three digits below; nothing for None."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def spread(row: Row) -> str:
    """The ratio with its lowest and highest; without one those of our own figure."""
    low, high = (number(value) for value in row["spread"])
    if row["ratio"] is None:
        return f"({low} to {high})" if low != high else ""
    return f"{number(row['ratio'])} ({low} to {high})"


def goal(row: Row) -> str:
    """What was asked, and of what when it was not of the ratio where there is one."""
    if row["goal"] is None:
        return ""
    about = " (ours)" if row["of"] == "ours" and row["ratio"] is not None else ""
    return f"{SIGNS[row['bound']]} {row['goal']:g}{about}"


def costs(rows: Sequence[Row]) -> str:
    """Processor time of an answer, which a busy machine changes little; nothing without any."""
    lines, seen = ["| scenario | clients | | server | database | clients |", "|---|---|---|---|---|---|"], set()
    for row in rows:
        key = (row["scenario"], row["clients"])
        if "cpu_us" not in row or key in seen:
            continue
        seen.add(key)
        for name, cpu in row["cpu_us"].items():
            cells = " | ".join(f"{cpu[part]:,}" for part in ("server", "database", "client"))
            lines.append(f"| {row['scenario']} | {row['clients']} | {name} | {cells} |")
    return "\n".join(lines) if seen else ""


def growth(rows: Sequence[Row]) -> str:
    """What each scenario takes at each size, and whether that grows more than the size's logarithm."""
    sized = [row for row in rows if row.get("figures")]
    if not sized:
        return ""
    sizes = list(sized[0]["figures"])
    lines = [
        f"| ms | {' | '.join(sizes)} | grows by | more than the logarithm |",
        f"|---|{'---|' * len(sizes)}---|---|",
    ]
    for row in sized:
        cells = [number(row["figures"].get(size)) for size in sizes]
        more = "no" if row["met"] else f"**yes**, of {number(row['goal'])}"
        lines.append(f"| {row['scenario']} | {' | '.join(cells)} | {number(row['ratio'])} | {more} |")
    return "\n".join(lines)


def facts(rows: Sequence[Row]) -> str:
    """The machine and the versions; a fact that differs between parts says so for each."""
    names: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        for name, value in row["run"].items():
            if name == "command":
                continue
            parts = names.setdefault(name, {}).setdefault(value, [])
            if row["part"] not in parts:
                parts.append(row["part"])
    lines = ["| | |", "|---|---|"]
    for name, values in names.items():
        if len(values) == 1:
            told = next(iter(values))
        else:
            told = "; ".join(f"{value} ({', '.join(parts)})" for value, parts in values.items())
        lines.append(f"| {name} | {told} |")
    return "\n".join(lines)
