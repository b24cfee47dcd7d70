"""JSON texts: parsing those of others, where every failure is a `ValueError`, and writing ours."""

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


def to_json(content: Any, indent: int) -> str:
    """Write a JSON text with readable letters.

    File names that are not UTF-8 have characters that no file can hold; with these, everything
    beyond ASCII is escaped.
    """
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    return text if _is_utf8(text) else json.dumps(content, indent=indent)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
