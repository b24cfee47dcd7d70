"""The parts of FER2013; apart from the reader, so that the command line starts without pandas."""

from enum import StrEnum

from affectline.common.labels import USAGES


class Split(StrEnum):
    """A part of FER2013; ``TEST`` joins the public and the private test rows."""

    TRAINING, PUBLIC_TEST, PRIVATE_TEST = USAGES
    TEST = "Test"
