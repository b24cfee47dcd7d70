"""``${NAME}`` in the sources of a settings file: values of environment variables.

A process that starts others gives them `environment`, which lacks the variables used here. They
receive the settings through a pipe, so that their environment contains no passwords.
"""

import os
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from affectline.common.errors import AffectlineError

_VARIABLE: Final = re.compile(r"(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
LONGEST: Final = 8192
"""Maximum length of a text in the sources: a path or an address."""
_used: set[str] = set()


def expand(content: Any, where: str) -> Any:
    """Replace variables by their values in all texts of settings.

    Values in the user, password or query of an address are escaped, so that they may contain any
    character. ``$${NAME}`` is the literal text ``${NAME}``.

    Args:
        content: A text, or lists and mappings that contain texts.
        where: What they belong to, for error messages.

    Raises:
        AffectlineError: A variable is not set or empty, or a text is too long.
    """
    if isinstance(content, str):
        return _expand_text(content, where)
    if isinstance(content, list | tuple):
        return [expand(one, where) for one in content]
    if isinstance(content, dict):
        return {name: expand(one, where) for name, one in content.items()}
    return content


def expand_home(content: Any) -> Any:
    """Replace ``~`` by the user's home folder in all texts and paths that begin with ``~/``.

    Args:
        content: A text or path, or lists and mappings that contain some.
    """
    if isinstance(content, str):
        return os.path.expanduser(content) if content.startswith("~/") else content  # noqa: PTH111
    if isinstance(content, Path):
        return Path(expand_home(str(content)))
    if isinstance(content, list):
        return [expand_home(one) for one in content]
    if isinstance(content, dict):
        return {name: expand_home(one) for name, one in content.items()}
    return content


def require_no_variables(content: Any, where: str) -> None:
    """Refuse variables outside the sources, where they are not replaced.

    Args:
        content: A text, or lists and mappings that contain texts.
        where: What they belong to, for the error: the name of a setting is added.

    Raises:
        AffectlineError: A text contains ``${NAME}``.
    """
    if isinstance(content, str):
        if found := _VARIABLE.search(content):
            raise AffectlineError(
                f"{where.rstrip('. ')}: {found[0]} is not replaced: variables are for sources only",
                "write the value itself; ~/ is your home folder",
            )
    elif isinstance(content, list):
        for index, one in enumerate(content):
            require_no_variables(one, f"{where}{index}.")
    elif isinstance(content, dict):
        for name, one in content.items():
            require_no_variables(one, f"{where}{name}.")


def environment() -> dict[str, str]:
    """The environment for other processes, without the variables that `expand` has used."""
    return {name: value for name, value in os.environ.items() if name not in _used}


def _expand_text(text: str, where: str) -> str:
    if len(text) > LONGEST:
        raise AffectlineError(
            f"{where}: a text of {len(text)} characters", f"at most {LONGEST} are allowed"
        )

    def value_of(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:]
        name = match[2]
        value = os.environ.get(name)
        if not value:
            raise AffectlineError(
                f"{where}: the environment variable {name} is not set",
                f"set it, or name a file with password_file; $${{{name}}} is the literal text",
            )
        _used.add(name)
        before, behind = text[: match.start()], text[match.end() :]
        is_login = "://" in before and "@" in behind and not re.search("[/?#]", _rest(before))
        is_query = "://" in before and "?" in before
        return quote(value, safe="") if is_login or is_query else value

    return _VARIABLE.sub(value_of, text)


def _rest(before: str) -> str:
    """The text between the scheme and a variable, without variables in it."""
    return _VARIABLE.sub("", before.partition("://")[2])
