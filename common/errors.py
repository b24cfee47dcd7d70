"""The errors that people see: one line that names what was wrong, the value, and the way out."""


class AffectlineError(Exception):
    """Something the user can put right.

    Args:
        problem: What was wrong, naming the argument and the value received.
        remedy: What to do about it.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return " ".join(": ".join(filter(None, (self.problem, self.remedy))).split())


class InvalidMessage(Exception):  # noqa: N818 - it names what the bytes are
    """Bytes that are no message of ours: counted and dropped, never fatal."""
