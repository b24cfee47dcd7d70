"""Parsing of YAML written by people, in bounded time, with readable errors."""

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import yaml

MOST_BYTES: Final = 1 << 20
"""Maximum size of a file; one with every setting has a few kB."""
MOST_VALUES: Final = 20_000
"""Maximum number of values, with what aliases (``*name``) repeat; a full file has some hundred."""
DEEPEST: Final = 50


def parse_yaml(text: str) -> Any:
    """Parse a YAML text; only safe types are allowed.

    Raises:
        ValueError: It is not YAML, contains something that is not a value (such as the 31st of
            February), or is larger than settings can be. The message names the line.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES} characters")
    import yaml  # most processes read no file of settings

    try:
        return _load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        raise ValueError(f"is not YAML{_line(where)}") from error
    except RecursionError as error:
        raise ValueError(f"is nested more than {DEEPEST} levels deep") from error
    except (ValueError, LookupError, AttributeError, OverflowError) as error:
        # The library's constructors raise these for invalid dates or numbers
        if isinstance(error, _TooLargeError):
            raise
        raise ValueError(f"contains something that is not a value: {_first_line(error)}") from error


def _load(text: str) -> Any:
    import yaml

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
    """The text is larger than settings can be."""


def _check_size(root: "yaml.Node") -> None:
    """Refuse a document that is too large or too deep once its aliases are followed.

    Raises:
        _TooLargeError: It is.
    """
    import yaml

    waiting, count = [(root, 1)], 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if depth > DEEPEST:
            raise _TooLargeError(
                f"is nested more than {DEEPEST} levels deep{_line(node.start_mark)}"
            )
        if count > MOST_VALUES:
            raise _TooLargeError(f"contains more than {MOST_VALUES} values, aliases included")
        if isinstance(node, yaml.SequenceNode):
            waiting += [(one, depth + 1) for one in node.value]
        elif isinstance(node, yaml.MappingNode):
            waiting += [(one, depth + 1) for pair in node.value for one in pair]


def _line(mark: Any) -> str:
    return f" in line {mark.line + 1}" if mark else ""


def _first_line(error: BaseException) -> str:
    text = re.sub(r"\s+", " ", str(error)).strip()
    return text[:100] or type(error).__name__
