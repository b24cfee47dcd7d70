"""YAML that people wrote: what it says, or why it says nothing, in bounded time."""

import re
from typing import Any, Final

import yaml

MOST_BYTES: Final = 1 << 20
"""Of a file; one with every setting has a few kB."""
MOST_VALUES: Final = 20_000
"""With all that aliases (``*name``) repeat; a file with every setting has some hundred."""
DEEPEST: Final = 50


def parse_yaml(text: str) -> Any:
    """The value of a YAML text, of the safe types only.

    Raises:
        ValueError: It is not YAML, holds something that is not a value (such as the 31st of
            February), or is larger than settings can be. The text says where.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES} characters")
    try:
        return _load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        raise ValueError(f"is not YAML{_line(where)}") from error
    except RecursionError as error:
        raise ValueError(f"is nested more than {DEEPEST} levels deep") from error
    except (ValueError, LookupError, AttributeError, OverflowError) as error:
        # What the library's constructors raise for what looks like a date or a number
        if isinstance(error, _TooLargeError):
            raise
        raise ValueError(f"holds something that is not a value: {_first_line(error)}") from error


def _load(text: str) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_size(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


class _TooLargeError(ValueError):
    """It is larger than settings can be."""


def _check_size(root: yaml.Node) -> None:
    """Refuse what would grow without end when its aliases are followed.

    Raises:
        _TooLargeError: It would.
    """
    waiting, count = [(root, 1)], 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if depth > DEEPEST:
            raise _TooLargeError(
                f"is nested more than {DEEPEST} levels deep{_line(node.start_mark)}"
            )
        if count > MOST_VALUES:
            raise _TooLargeError(f"holds more than {MOST_VALUES} values, with what aliases repeat")
        if isinstance(node, yaml.SequenceNode):
            waiting += [(one, depth + 1) for one in node.value]
        elif isinstance(node, yaml.MappingNode):
            waiting += [(one, depth + 1) for pair in node.value for one in pair]


def _line(mark: Any) -> str:
    return f" in line {mark.line + 1}" if mark else ""


def _first_line(error: BaseException) -> str:
    text = re.sub(r"\s+", " ", str(error)).strip()
    return text[:100] or type(error).__name__
