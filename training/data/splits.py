"""The splits of FER2013; a module apart, so that the command line starts without pandas."""

from enum import StrEnum

from affectline.common.labels import USAGES


class Split(StrEnum):
    """A split of FER2013; ``TEST`` combines the public and the private test rows."""

    TRAINING, PUBLIC_TEST, PRIVATE_TEST = USAGES
    TEST = "Test"
