"""Parsing of JSON from others: every failure is a `ValueError`."""

import json
from typing import Any


def parse_json(text: str | bytes | bytearray) -> Any:
    """Parse a JSON text.

    Raises:
        ValueError: It is not JSON, not UTF-8, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
