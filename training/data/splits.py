"""The splits of FER2013; a separate module, because the command line needs no more than this."""

from enum import StrEnum
from typing import Final

from affectline.common.labels import USAGES


class Split(StrEnum):
    """A split of FER2013; ``TEST`` combines the public and the private test rows."""

    TRAINING, PUBLIC_TEST, PRIVATE_TEST = USAGES
    TEST = "Test"


SPLIT_BY: Final = ("Usage", "person", "bytes")
"""What may decide a face's split: the data themselves, a hash of the person, or one of the file."""
