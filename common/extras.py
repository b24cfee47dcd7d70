"""Optional parts of the installation."""

from importlib.util import find_spec

from affectline.common.errors import AffectlineError


def require_extra(command: str, extra: str, *packages: str) -> None:
    """Check that the packages of an extra are installed, without importing them.

    Raises:
        AffectlineError: One is missing; the message names the extra.
    """
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise AffectlineError(
            f"{command} needs {', '.join(missing)}, not installed here",
            f"pip install 'affectline[{extra}]'",
        )
