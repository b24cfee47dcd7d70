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
        ValueError: It is not YAML, gives a setting twice, contains something that is not a value
            (such as the 31st of February), or is larger than settings can be. The message names the
            line.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES} characters")
    import yaml  # most processes read no file of settings

    try:
        return _load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        has_tab = "'\\t'" in (getattr(error, "problem", None) or "")
        hint = ", where a tab stands: indent with spaces" if has_tab else ""
        raise ValueError(f"is not YAML{_line(where)}{hint}") from error
    except RecursionError as error:
        raise ValueError(f"is nested more than {DEEPEST} levels deep") from error
    except (ValueError, LookupError, AttributeError, OverflowError) as error:
        # The library's constructors raise these for invalid dates or numbers
        if isinstance(error, _RefusedError):
            raise
        raise ValueError(f"contains something that is not a value: {_first_line(error)}") from error


def _load(text: str) -> Any:
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


class _RefusedError(ValueError):
    """The text is larger than settings can be, or ambiguous."""


def _check(root: "yaml.Node") -> None:
    """Refuse a document that gives a setting twice, or is too large once its aliases are followed.

    Raises:
        _RefusedError: It is.
    """
    import yaml

    waiting, count = [(root, 1)], 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if depth > DEEPEST:
            raise _RefusedError(
                f"is nested more than {DEEPEST} levels deep{_line(node.start_mark)}"
            )
        if count > MOST_VALUES:
            raise _RefusedError(f"contains more than {MOST_VALUES} values, aliases included")
        if isinstance(node, yaml.SequenceNode):
            waiting += [(one, depth + 1) for one in node.value]
        elif isinstance(node, yaml.MappingNode):
            _check_keys(node)
            waiting += [(one, depth + 1) for pair in node.value for one in pair]


def _check_keys(mapping: "yaml.MappingNode") -> None:
    """Refuse a key that is given twice: of two values, YAML would drop the first.

    Raises:
        _RefusedError: There is one.
    """
    first: dict[tuple[str, str], int] = {}
    for key, _ in mapping.value:
        if not isinstance(key.value, str):
            continue  # a list or a mapping, which no setting is called
        name, line = (key.tag, key.value), key.start_mark.line + 1
        if name in first:
            what = repr(key.value) if key.value.isidentifier() else "a setting"
            places = f"lines {first[name]} and {line}" if line > first[name] else f"line {line}"
            raise _RefusedError(f"gives {what} twice, in {places}; leave one out")
        first[name] = line


def _line(mark: Any) -> str:
    return f" in line {mark.line + 1}" if mark else ""


def _first_line(error: BaseException) -> str:
    text = re.sub(r"\s+", " ", str(error)).strip()
    return text[:100] or type(error).__name__
