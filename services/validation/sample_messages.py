"""Converts recorded signals to the `Samples` messages that a live driver would have sent."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from affectline.common.wire.biometrics import Samples
from affectline.services.biometrics.file_playback import RecordedSignal
from affectline.services.biometrics.validation import time_of, validate

NS: Final = 1_000_000_000
SAMPLES_WITHOUT_RATE: Final = 1
"""Samples per message of a signal without a sampling rate: each beat is sent on its own."""


def iter_messages(signal: RecordedSignal) -> Iterator[tuple[float, Samples]]:
    """Yield a signal second by second, with the time in s of each message's last sample.

    As in the drivers, missing samples are left out and implausible ones get quality 0.
    """
    step = max(1, round(signal.rate)) if signal.rate else SAMPLES_WITHOUT_RATE
    seq = 0
    for start in range(0, len(signal.times), step):
        whole = signal.slice(start, min(start + step, len(signal.times)))
        for part in validate(whole, Counter()):
            last = time_of(part, len(part.values) - 1)
            measured = {name: value for name, value in vars(part).items() if name != "events"}
            yield last / NS, Samples(subject="person", epoch=0, seq=seq, **measured)
            seq += 1
