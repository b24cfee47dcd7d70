"""Markdown for the pages that measurements write."""

from collections.abc import Iterable


def format_table(head: str, rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table; names of numeric columns in ``head`` end in ``:``."""
    names = [name.strip() for name in head.split("|")]
    ruler = ["---:" if name.endswith(":") else "---" for name in names]
    lines = ["| " + " | ".join(name.removesuffix(":") for name in names) + " |"]
    lines.append("| " + " | ".join(ruler) + " |")
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
