"""The seven emotions, in FER2013's order."""

from typing import Final

LABELS: Final = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Index i is FER2013's ``emotion`` value i (Goodfellow et al. 2013)."""
USAGES: Final = ("Training", "PublicTest", "PrivateTest")
"""FER2013's names of its splits, in its column ``Usage``."""
