"""One message of every kind, for tests of the wire."""

from affectline.common.wire.biometrics import Samples, SignalContribution, State
from affectline.common.wire.control import Control, Seek
from affectline.common.wire.health import ClockOffset, Health, Latency
from affectline.common.wire.messages import (
    Emotion,
    Face,
    FaceEmotion,
    Faces,
    Frame,
    Marker,
    Packet,
    Quality,
    Resend,
    Scores,
    StreamDone,
    StreamEnd,
    StreamStart,
)

EPOCH = 1_795_445_587_179
AT = 1_795_445_587_329_376_688
QUALITY = Quality(size=135, blur=553.5, brightness=0.3423)
HAPPY = (0.02, 0.0, 0.01, 0.9, 0.02, 0.03, 0.02)

FRAME = Frame(
    stream="drive",
    epoch=EPOCH,
    seq=7,
    captured_at=AT,
    media_time=291_958_333,
    width=640,
    height=360,
)
FACES = Faces(
    **FRAME.identity,
    detected_at=AT + 3_000_000,
    faces=(Face(track=1, box=(145, 30, 135, 135), angle=-6.5, quality=QUALITY, crop_side=2),),
)
EMOTION = Emotion(
    **FRAME.identity,
    detected_at=AT + 3_000_000,
    classified_at=AT + 6_000_000,
    published_at=AT + 7_000_000,
    model="vgg16-48@1f3a9c02",
    faces=(
        FaceEmotion(
            track=1, box=(145, 30, 135, 135), angle=-6.5, quality=QUALITY,
            probabilities=HAPPY, smoothed=HAPPY, label="happy", confidence=0.9,
        ),
        FaceEmotion(track=2, box=(400, 30, 90, 90), quality=QUALITY, missing="stale"),
    ),
)  # fmt: skip
PACKETS = {
    "Frame": Packet(FRAME, (b"\xff\xd8\xff\xd9",)),
    "Faces": Packet(FACES, (b"\x10\x20\x30\x40", bytes(48 * 48))),
    "Scores": Packet(
        Scores(
            stream="drive", epoch=EPOCH, seq=7, classified_at=AT, model="vgg16-48@1f3a9c02",
            distributions=(HAPPY,),
        )
    ),
    "Emotion": Packet(EMOTION),
    "Resend": Packet(Resend(stream="drive", epoch=EPOCH, first_seq=3, last_seq=5)),
    "StreamStart": Packet(
        StreamStart(
            stream="drive", epoch=EPOCH, started_at=AT, source="drive.mp4", live=False,
            rate=23.976, frames=472,
        )
    ),
    "StreamEnd": Packet(
        StreamEnd(stream="drive", epoch=EPOCH, ended_at=AT, last_seq=471, reason="end")
    ),
    "StreamDone": Packet(StreamDone(stream="drive", epoch=EPOCH, last_seq=471, done_at=AT)),
    "Samples": Packet(
        Samples(
            subject="driver", signal="rr_interval", unit="ms", device="strap", epoch=EPOCH, seq=3,
            at=AT, offsets=(0, 812_000_000), values=(798.0, 812.5), quality=0.5,
            reason="no skin contact",
        )
    ),
    "State": Packet(
        State(
            subject="driver", at=AT, arousal=0.4, valence=-0.2, nervousness=63.5, quality=0.8,
            baseline="calibrated", baseline_s=60.0,
            signals={
                "heart": SignalContribution(
                    value=92.0, unit="/min", baseline=68.5, contribution=31.0, quality=0.9
                ),
                "face": SignalContribution(reason="no face in sight"),
            },
        )
    ),
    "Marker": Packet(
        Marker(session="s1", at=AT, label="hard braking", source="hand", extra={"km/h": 63.5})
    ),
    "Control": Packet(Control(target="replay", at=AT, action=Seek(position_s=12.5, rate=2.0))),
    "Health": Packet(
        Health(
            service="detector/drive", pid=42, at=AT, state="ready",
            counters={"in": 8, "out": 8, "skipped": 0, "invalid": 0},
            latency=Latency(p50_ms=3.0, p95_ms=4.5, p99_ms=6.0),
            clock=ClockOffset(offset_ms=-1250.5, uncertainty_ms=0.25, corrected_ms=-1250.5),
        )
    ),
}  # fmt: skip
