"""Tables for the terminal: readable at 80 columns, with nothing cut off."""

from collections.abc import Container
from typing import Any

from rich.table import Table


def text_table(*titles: str, figures: Container[str] = (), **options: Any) -> Table:
    """A table whose texts are folded where they do not fit; rich by itself would cut them off.

    Args:
        titles: Titles of the columns.
        figures: Titles of the columns with times and numbers, which stay on one line.
        options: Further options of `rich.table.Table`.
    """
    table = Table(**options)
    for title in titles:
        table.add_column(title, overflow="fold", no_wrap=title in figures)
    return table
