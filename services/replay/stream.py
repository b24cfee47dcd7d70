"""One stream of a replay: what of it is under way, and how it ends."""

from collections.abc import Iterable, Iterator
from typing import Final

from affectline.common.clock import monotonic, monotonic_ns
from affectline.common.runtime.in_flight import InFlightWindow
from affectline.common.wire.messages import (
    Emotion,
    Frame,
    FrameMessage,
    Packet,
    StreamDone,
    StreamEnd,
    StreamMessage,
    StreamStart,
)

END_REPEAT_S: Final = 0.5


class ReplayStream:
    """Follows one stream.

    Args:
        reanalyse: Its pictures are judged again, so their answers have to be waited for.
        has_sink: Somebody says `StreamDone`, which is the end of the stream.
        is_told: Its beginning is replayed, and so is said where it was not recorded.
    """

    def __init__(self, *, reanalyse: bool, has_sink: bool, is_told: bool = True) -> None:
        self._reanalyse, self._has_sink, self._is_told = reanalyse, has_sink, is_told
        self._is_begun = False
        self._window = InFlightWindow()
        self._epoch = self._last_seq = -1
        self._name = ""
        self._ending: StreamEnd | None = None
        self._held_end: StreamEnd | None = None
        self._end_said = 0.0
        self._is_done = False
        self._is_judged = False
        """There is an answer that a sink can hear, so that it will say `StreamDone`."""

    @property
    def under_way(self) -> int:
        """Pictures that nobody has answered yet."""
        return len(self._window)

    @property
    def answered(self) -> bool:
        """Every picture is."""
        return not self._window

    @property
    def done(self) -> bool:
        """Nothing more is to be said or heard."""
        return self._ending is not None and not self._waits

    @property
    def _waits(self) -> bool:
        """The sink has still to say that it has everything."""
        return self._has_sink and self._is_judged and not self._is_done

    def take(self, packet: Packet, *, endless: bool) -> Iterator[Packet]:
        """Publish a recorded message of this stream.

        Args:
            packet: The message.
            endless: The stream shall not end: it will begin again.
        """
        message = packet.message
        assert isinstance(message, StreamMessage)  # noqa: S101 - for the type checker
        if message.epoch > self._epoch:
            self._name, self._epoch, self._last_seq = message.stream, message.epoch, -1
            self._ending, self._is_done, self._is_judged = None, False, False
            self._is_begun = isinstance(message, StreamStart) or not self._is_told
        is_current = message.epoch == self._epoch
        if isinstance(message, FrameMessage) and is_current and not self._is_begun:
            self._is_begun = True
            yield Packet(_begin(message))
        if isinstance(message, StreamDone) and (self._has_sink or endless or self._reanalyse):
            return  # this session's own sink says so
        if isinstance(message, StreamEnd):
            if endless:
                return
            if self._reanalyse:
                # Signals that were recorded behind it are judged before the end as well.
                self._held_end = message
                return
            if is_current:
                self._ending, self._end_said = message, monotonic()
        elif isinstance(message, (Frame, Emotion)) and is_current:
            self._last_seq = max(self._last_seq, message.seq)
            self._is_judged |= self._reanalyse or isinstance(message, Emotion)
        if self._reanalyse and isinstance(message, Frame):
            self._window.add(message.seq, packet, monotonic_ns())
        yield packet

    def on_answer(self, answer: Emotion) -> Iterable[Packet]:
        """Note an answer; return the frames before it that got lost."""
        if answer.epoch != self._epoch or not self._reanalyse:
            return ()
        return self._window.answered(answer.seq, monotonic_ns())

    def on_done(self, done: StreamDone) -> None:
        """The sink has everything up to a frame."""
        if done.epoch == self._epoch:
            ending = self._ending
            self._is_done = ending is not None and done.last_seq >= ending.last_seq

    def for_newcomers(self, services: set[str], source: str) -> list[Packet]:
        """What consumers that have come back must get again."""
        return self._window.for_newcomers(services, self._name, source, monotonic_ns())

    def due(self) -> Iterator[Packet]:
        """What must be said again, because nobody has answered."""
        yield from self._window.stuck(monotonic_ns())
        if self._ending and self._waits and monotonic() - self._end_said >= END_REPEAT_S:
            self._end_said = monotonic()
            yield Packet(self._ending)

    def end(self, now: int) -> Iterator[Packet]:
        """End a stream: as it was recorded, or of which no end was."""
        if self._ending is None and self._epoch >= 0:
            self._end_said = monotonic()
            held = self._held_end
            fits = held is not None and held.epoch == self._epoch
            self._ending = (
                held
                if held and fits
                else StreamEnd(
                    stream=self._name,
                    epoch=self._epoch,
                    ended_at=now,
                    last_seq=self._last_seq,
                    reason="stopped",
                    detail="the recording ends here",
                )
            )
            yield Packet(self._ending)


def _begin(first: FrameMessage) -> StreamStart:
    """The start of a stream of which a recorder heard only later: it says that it is a replay."""
    return StreamStart(
        stream=first.stream,
        epoch=first.epoch,
        started_at=first.captured_at,
        source="recording",
        live=False,
        first_seq=first.seq,
        replay=True,
    )
