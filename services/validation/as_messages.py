"""Recorded signals as the messages that a live driver would have sent."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from affectline.common.wire.biometrics import Samples
from affectline.services.biometrics.file_playback import RecordedSignal
from affectline.services.biometrics.validation import time_of, validate

NS: Final = 1_000_000_000
UNEVEN: Final = 1
"""Samples in a message of a signal without a rate: beats are told one by one."""


def as_messages(track: RecordedSignal) -> Iterator[tuple[float, Samples]]:
    """A signal a second at a time, with the time in seconds of each message's last sample.

    What is missing is left out and what no person shows is marked, as the drivers do it.
    """
    step = max(1, round(track.rate)) if track.rate else UNEVEN
    seq = 0
    for start in range(0, len(track.times), step):
        whole = track.slice(start, min(start + step, len(track.times)))
        for part in validate(whole, Counter()):
            last = time_of(part, len(part.values) - 1)
            yield last / NS, Samples(subject="person", epoch=0, seq=seq, **vars(part))
            seq += 1
