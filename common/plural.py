"""Numbers of things in messages and on pages."""


def counted(number: int, noun: str) -> str:
    """A number of things whose plural ends in ``s``.

    Example:
        >>> counted(1, "film"), counted(3, "film")
        ('1 film', '3 films')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
