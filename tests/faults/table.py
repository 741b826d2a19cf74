"""The tables that the harness prints: what was done to what, how often, and what came of it."""

from collections.abc import Mapping


def table(title: str, rows: Mapping[str, Mapping[str, int]]) -> str:
    """Return a Markdown table of counts with a row for each name and one for all; every row has the same columns."""
    columns = list(next(iter(rows.values())))
    total = {column: sum(row[column] for row in rows.values()) for column in columns}
    lines = [f"| {title} | {' | '.join(columns)} |", f"|:--{'|--:' * len(columns)}|"]
    for name, row in {**rows, "together": total}.items():
        lines.append(f"| {name} | {' | '.join(f'{row[column]:,}' for column in columns)} |")
    return "\n".join(lines)
