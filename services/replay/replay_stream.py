"""The epochs of a replayed stream, its frames in flight, and its end."""

from collections.abc import Iterable, Iterator
from typing import Final

from affectline.common.clock import monotonic, monotonic_ns
from affectline.common.runtime.in_flight import InFlightWindow
from affectline.common.wire.kept import Kept
from affectline.common.wire.messages import (
    Emotion,
    Frame,
    FrameMessage,
    Packet,
    SourceKind,
    StreamDone,
    StreamEnd,
    StreamMessage,
    StreamStart,
)

STOPPED: Final = "the replay was stopped"
END_REPEAT_S: Final = 0.5
"""How often the end of a stream is repeated until the sink confirms it."""


class EpochNumbers:
    """The epochs of a stream in a replay that may start again.

    The first time, they are those of the recording; after that, each one is the next number: epochs
    are moments, and those of a camera that was restarted may lie hours apart. Shifted by that much
    again and again, they would soon lie in the future, where every receiver refuses them.
    """

    def __init__(self) -> None:
        self._newest = -1
        """The newest one published."""
        self._last_round: int | None = None
        """The newest one of the earlier rounds; None in the first round."""
        self._numbers: dict[int, int] = {}
        """By the recording's epochs, in this round."""

    def begin_round(self) -> None:
        """Number epochs after all that were published before."""
        self._last_round = self._newest
        self._numbers.clear()

    def number(self, recorded: int) -> int:
        """The epoch to publish for one of the recording."""
        if recorded not in self._numbers:
            self._numbers[recorded] = self._next(recorded)
        return self._numbers[recorded]

    def _next(self, recorded: int) -> int:
        if self._last_round is not None:
            if any(recorded < known for known in self._numbers):
                return self._last_round  # a late message of an epoch that was over by then
            recorded = self._newest + 1
        self._newest = max(self._newest, recorded)
        return recorded


class ReplayStream:
    """The frames of one stream in flight, and the stream's end.

    Args:
        reanalyse: Its frames are analysed again, so it has to wait for their results.
        has_sink: A sink publishes `StreamDone`, which is the end of the stream.
        is_announced: Its start is replayed, or derived from the first frame if it was not recorded.
        session_start: Zero of the session's time line, in ns since the Unix epoch.
    """

    def __init__(
        self,
        *,
        reanalyse: bool,
        has_sink: bool,
        is_announced: bool = True,
        session_start: int | None = None,
    ) -> None:
        self._reanalyse, self._has_sink, self._is_announced = reanalyse, has_sink, is_announced
        self._is_begun = False
        self._session_start = session_start
        self._window = InFlightWindow()
        self._epoch = self._last_seq = -1
        self._last_time = 0
        self._name = ""
        self._ending: StreamEnd | None = None
        self._held_end: StreamEnd | None = None
        self._end_published_at = 0.0
        self._is_done = False
        self._has_answer = False
        """Whether any result reaches the sink, so that it will publish `StreamDone`."""

    @property
    def in_flight(self) -> int:
        """Number of frames that are not answered yet."""
        return len(self._window)

    @property
    def answered(self) -> bool:
        """Whether every frame is answered."""
        return not self._window

    @property
    def unanswered_since(self) -> int | None:
        """Event time of the first unanswered frame in ns; None if all are answered."""
        packet = self._window.first
        frame = packet.message if packet else None
        return frame.captured_at if isinstance(frame, Frame) else None

    @property
    def done(self) -> bool:
        """Whether nothing more has to be published or received."""
        return self._ending is not None and not self._waits

    @property
    def _waits(self) -> bool:
        """Whether the sink has not confirmed yet that it has everything."""
        return self._has_sink and self._has_answer and not self._is_done

    def publish(self, packet: Packet[StreamMessage], *, endless: bool) -> Iterator[Packet]:
        """Publish a recorded message of this stream.

        Args:
            packet: The message.
            endless: The stream does not end, because it will start again.
        """
        message = packet.message
        if message.epoch > self._epoch:
            self._name, self._epoch, self._last_seq = message.stream, message.epoch, -1
            self._ending, self._is_done, self._has_answer = None, False, False
            self._is_begun = isinstance(message, StreamStart) or not self._is_announced
        is_current = message.epoch == self._epoch
        if isinstance(message, FrameMessage) and is_current and not self._is_begun:
            self._is_begun = True
            yield Packet(_synthesize_start(message, self._session_start))
        if isinstance(message, StreamDone) and (self._has_sink or endless or self._reanalyse):
            return  # this session's own sink publishes that
        if isinstance(message, StreamEnd):
            if endless:
                return
            if self._reanalyse:
                # Signals recorded after it are still analysed before the end is published
                self._held_end = message
                return
            if is_current:
                self._ending, self._end_published_at = message, monotonic()
        elif isinstance(message, (Frame, Emotion)) and is_current:
            self._last_seq = max(self._last_seq, message.seq)
            self._last_time = message.captured_at
            self._has_answer |= self._reanalyse or isinstance(message, Emotion)
        if self._reanalyse and isinstance(message, Frame):
            self._window.add(message.seq, packet, monotonic_ns())
        yield packet

    def on_answer(self, answer: Emotion, keepers: Iterable[str] = ()) -> Iterable[Packet]:
        """Handle a frame's result; return the earlier frames that were lost.

        Args:
            answer: The result.
            keepers: Consumers that must have it on disk.
        """
        if answer.epoch != self._epoch or not self._reanalyse:
            return ()
        return self._window.on_answer(answer.seq, monotonic_ns(), keepers)

    def on_kept(self, receipt: Kept, topic: str) -> None:
        """Record that a consumer has answers of this topic on disk."""
        keys = receipt.keys.get(topic, ())
        self._window.on_kept(receipt.by, [seq for epoch, seq in keys if epoch == self._epoch])

    def on_done(self, done: StreamDone) -> None:
        """Record that the sink has everything up to a frame."""
        if done.epoch == self._epoch:
            ending = self._ending
            self._is_done = ending is not None and done.last_seq >= ending.last_seq

    def missed_by(self, services: set[str], source: str) -> list[Packet]:
        """Frames to resend to consumers that have just become ready."""
        return self._window.missed_by(services, self._name, source, monotonic_ns())

    def resend_overdue(self) -> Iterator[Packet]:
        """Messages to publish again because they were not answered."""
        yield from self._window.overdue(monotonic_ns())
        if self._ending and self._waits and monotonic() - self._end_published_at >= END_REPEAT_S:
            self._end_published_at = monotonic()
            yield Packet(self._ending)

    def end(self, now: int, *, was_stopped: bool = False) -> Iterator[Packet]:
        """End the stream, as recorded, or because the recording ends or the replay is stopped.

        Args:
            now: The time in ns since the Unix epoch.
            was_stopped: The replay is stopped before the end of the recording.
        """
        if self._ending is None and self._epoch >= 0:
            self._end_published_at = monotonic()
            held = self._held_end
            fits = held is not None and held.epoch == self._epoch
            self._ending = (
                held
                if held and fits
                else StreamEnd(
                    stream=self._name,
                    epoch=self._epoch,
                    ended_at=self._last_time,
                    received_at=now,
                    last_seq=self._last_seq,
                    reason="stopped",
                    detail=STOPPED if was_stopped else "the recording ends here",
                )
            )
            yield Packet(self._ending)


def _synthesize_start(first: FrameMessage, session_start: int | None) -> StreamStart:
    """A start for a stream that was recorded only from its middle on."""
    kind: SourceKind = "camera" if first.media_time is None else "film"
    started_at = max(0, first.captured_at - (first.media_time or 0))
    return StreamStart(
        stream=first.stream,
        epoch=first.epoch,
        started_at=started_at,
        received_at=first.received_at,
        session_start=started_at if session_start is None else session_start,
        source="recording",
        kind="pictures" if first.file else kind,
        live=False,
        first_seq=first.seq,
        replay=True,
    )
