"""The splits of FER2013; a separate module, because the command line needs no more than this."""

from enum import StrEnum

from affectline.common.labels import USAGES


class Split(StrEnum):
    """A split of FER2013; ``TEST`` combines the public and the private test rows."""

    TRAINING, PUBLIC_TEST, PRIVATE_TEST = USAGES
    TEST = "Test"
