"""Errors shown to people: one line with what was wrong, the value, and the fix."""


class AffectlineError(Exception):
    """An error that the user can fix.

    Args:
        problem: What was wrong, naming the argument and the value received.
        fix: What to do about it.
        details: Lines to show below, such as the last log lines of a process.
    """

    def __init__(self, problem: str, fix: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(problem, fix)
        self.problem = problem
        self.fix = fix
        self.details = details

    def __str__(self) -> str:
        return " ".join(": ".join(filter(None, (self.problem, self.fix))).split())


def first_line(error: BaseException) -> str:
    """The first line of a library's error, at most 200 characters; its class if it has no text."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)[:200]


def explain_import(error: ImportError) -> str:
    """Explain in one line why a package cannot be loaded, and how to fix it."""
    if ".so" in str(error):
        return (
            f"a system library is missing ({error}): on Debian or Ubuntu install it with "
            "apt-get install libgl1 libglib2.0-0"
        )
    return f"{error}: install what is missing with pip install affectline"


class InvalidMessage(Exception):  # noqa: N818 - it names what the bytes are
    """Bytes that are not an Affectline message: counted and dropped, never fatal."""
