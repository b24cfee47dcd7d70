"""Films keep their times and their sound."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from affectline.common.errors import AffectlineError
from affectline.common.wire.messages import Emotion, Frame, Packet, StreamStart
from affectline.services.export.exporter import make_exporter
from affectline.services.overlay.video_writer import AnnotatedVideoWriter
from affectline.services.sessions.recording import Recording

MS = 1_000_000
TIMES_MS = [0, 40, 80, 400, 440, 1000, 1033, 1500, 1900, 1960]
"""Of pictures that do not come evenly."""
RATE = 48_000


def make_film(
    path: Path,
    codec: str = "aac",
    seconds: float = 2.0,
    begins: float = 0.0,
    rate: int = RATE,
    *,
    large: bool = False,
) -> Path:
    """A film with pictures at `TIMES_MS` and a tone that rises."""
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=25, options={"tune": "zerolatency"})
        width, height = (192, 128) if large else (96, 64)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        sound: Any = film.add_stream(codec, rate=rate)
        sound.layout = "stereo"
        moments = np.arange(round(seconds * rate)) / rate
        tone = 0.4 * np.sin(2 * np.pi * (300 + 400 * moments) * moments)
        for ms in TIMES_MS:
            shade = np.full((height, width, 3), 60 + ms // 20, np.uint8)
            picture = av.VideoFrame.from_ndarray(shade, format="bgr24")
            picture.pts, picture.time_base = ms, Fraction(1, 1000)
            film.mux(video.encode(picture))
        for first in range(0, len(tone), 1024):
            part = tone[first : first + 1024]
            samples = np.repeat((part * 32_767).astype(np.int16), 2)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = first + round(begins * rate)
            film.mux(sound.encode(frame))
        film.mux(video.encode(None))
        film.mux(sound.encode(None))
    return path


def start(source: Path | str, **changes: Any) -> StreamStart:
    about: dict[str, Any] = {
        "stream": "drive", "epoch": 1, "started_at": 0, "received_at": 0, "session_start": 0,
        "source": str(source), "kind": "film", "live": False, "rate": 25.0,
    }  # fmt: skip
    return StreamStart.model_validate(about | changes)


def shots(times_ms: Sequence[int] = TIMES_MS, epoch: int = 1) -> Iterator[tuple[Packet, Emotion]]:
    """Frames with results at moments of a film."""
    picture = cv2.imencode(".jpg", np.full((64, 96, 3), 90, np.uint8))[1].tobytes()
    for seq, ms in enumerate(times_ms):
        frame = Frame(
            stream="drive", epoch=epoch, seq=seq, captured_at=ms * MS, received_at=0,
            media_time=ms * MS, width=96, height=64,
        )  # fmt: skip
        yield Packet(frame, (picture,)), Emotion(**frame.identity, published_at=0)


def annotate(folder: Path, began: StreamStart, *parts: Sequence[int], sound: bool = True) -> Path:
    """Write the annotated film of a film of which these moments were analysed."""
    folder.mkdir(exist_ok=True)
    writer = AnnotatedVideoWriter(folder, sound=sound)
    writer.begin(began)
    for epoch, times in enumerate(parts or (TIMES_MS,), 1):
        for packet, result in shots(times, epoch):
            writer.add_frame(packet)
            writer.add_result(result)
    writer.close()
    return folder / "drive.mp4"


def packets(path: Path, kind: str) -> list[tuple[float, bytes]]:
    """Time in seconds and content of each packet of a kind."""
    with av.open(str(path)) as film:
        streams: Any = getattr(film.streams, kind)
        found: list[Any] = [p for s in streams[:1] for p in film.demux(s) if p.size]
        return [(float(p.pts * p.time_base), bytes(p)) for p in found]


def tone_at(path: Path, seconds: float) -> float:
    """The pitch of a film's sound at a moment, in Hz."""
    with av.open(str(path)) as film:
        resampler = av.AudioResampler("flt", "mono", RATE)
        heard: list[Any] = [p for frame in film.decode(audio=0) for p in resampler.resample(frame)]
        parts = [(float(part.pts * part.time_base), part.to_ndarray()[0]) for part in heard]
    whole = np.concatenate([samples for _, samples in parts])
    first = round((seconds - parts[0][0]) * RATE)
    spectrum = np.abs(np.fft.rfft(whole[first : first + 4800] * np.hanning(4800)))
    return float(np.argmax(spectrum) * 10)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "drive.mp4")


def test_a_film_keeps_its_times_and_its_sound_as_it_is(film: Path, tmp_path: Path) -> None:
    path = annotate(tmp_path, start(film))
    times = [time for time, _ in packets(path, "video")]
    assert times == pytest.approx([ms / 1000 for ms in TIMES_MS], abs=0.0001)
    heard, original = packets(path, "audio"), packets(film, "audio")
    kept = [packet for packet in original if 0 <= packet[0] < 2.0]
    assert [content for _, content in heard] == [content for _, content in kept]
    assert [t for t, _ in heard] == pytest.approx([t for t, _ in kept], abs=0.0001)


@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "copied"),
    [
        ("mp4", "mp3", 44_100, True), ("mkv", "flac", RATE, True), ("mkv", "ac3", RATE, True),
        ("mkv", "pcm_s16le", RATE, False), ("avi", "pcm_s16le", RATE, False),
        ("ts", "aac", RATE, False),
    ],
)  # fmt: skip
def test_sound_of_any_codec_is_heard_at_its_moment(
    tmp_path: Path, suffix: str, codec: str, rate: int, copied: bool
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this build of PyAV cannot encode {codec}")
    film = make_film(tmp_path / f"drive.{suffix}", codec, rate=rate)
    path = annotate(tmp_path / "out", start(film))
    with av.open(str(path)) as found, av.open(str(film)) as original:
        names = [c.streams.audio[0].codec.canonical_name for c in (found, original)]
    assert names[0] == (names[1] if copied else "aac")
    times = [time for time, _ in packets(path, "video")]
    assert times == pytest.approx([ms / 1000 for ms in TIMES_MS], abs=0.0001)
    for moment in (0.3, 1.6):
        pitch = 300 + 800 * (moment + 0.05)
        assert tone_at(path, moment) == pytest.approx(pitch, abs=60)


def test_sound_is_cut_to_what_was_analysed(film: Path, tmp_path: Path) -> None:
    path = annotate(tmp_path, start(film), TIMES_MS[:6])
    times = [time for time, _ in packets(path, "audio")]
    assert times[0] == 0
    assert 1.0 <= times[-1] <= 1.07, "one picture of 40 ms after the last one at 1 s"


def test_a_part_of_a_film_has_its_part_of_the_sound(tmp_path: Path) -> None:
    film = make_film(tmp_path / "drive.mp4", seconds=8)
    path = annotate(tmp_path / "out", start(film), range(5000, 7000, 40))
    assert tone_at(path, 0.5) == pytest.approx(300 + 800 * 5.55, abs=60)
    assert packets(path, "video")[0][0] == 0
    assert 0 <= packets(path, "audio")[0][0] < 0.03


def test_a_film_that_begins_again_is_heard_again(film: Path, tmp_path: Path) -> None:
    path = annotate(tmp_path, start(film), TIMES_MS, TIMES_MS)
    assert tone_at(path, 0.3) == pytest.approx(tone_at(path, 2.3), abs=40)
    times = [time for time, _ in packets(path, "audio")]
    assert sorted(times) == times
    assert times[-1] == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize(("begins", "seconds"), [(0.5, 1.0), (0.0, 0.4), (1.7, 2.0)])
def test_sound_that_is_not_always_there_moves_no_picture(
    tmp_path: Path, begins: float, seconds: float
) -> None:
    film = make_film(tmp_path / "drive.mkv", begins=begins, seconds=seconds)
    path = annotate(tmp_path / "out", start(film))
    times = [time for time, _ in packets(path, "video")]
    assert times == pytest.approx([ms / 1000 for ms in TIMES_MS], abs=0.0001)
    first = packets(path, "audio")[0][0]
    assert first == pytest.approx(packets(film, "audio")[0][0], abs=0.03)


def test_a_part_without_sound_has_no_track_of_it(film: Path, tmp_path: Path) -> None:
    path = annotate(tmp_path, start(film), range(5000, 7000, 40))
    assert packets(path, "audio") == []
    with av.open(str(path)) as found:
        assert not found.streams.audio
    times = [time for time, _ in packets(path, "video")]
    assert times == pytest.approx([0.04 * index for index in range(50)], abs=0.0001)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_a_film_whose_sound_begins_late_is_safe_before(tmp_path: Path, codec: str) -> None:
    film = make_film(tmp_path / "drive.mkv", codec, begins=1.9, seconds=0.5)
    writer = AnnotatedVideoWriter(tmp_path)
    writer.begin(start(film))
    for packet, result in shots(TIMES_MS[:8]):
        writer.add_frame(packet)
        writer.add_result(result)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes((tmp_path / "drive.mp4").read_bytes())
    writer.close()
    times = [time for time, _ in packets(cut, "video")]
    assert times == pytest.approx([ms / 1000 for ms in TIMES_MS[:7]], abs=0.0001)
    whole = annotate(tmp_path / "whole", start(film))
    times = [time for time, _ in packets(whole, "video")]
    assert times == pytest.approx([ms / 1000 for ms in TIMES_MS], abs=0.0001)
    heard = [time for time, _ in packets(whole, "audio")]
    assert next(time for time in heard if time > 0.1) == pytest.approx(1.9, abs=0.03)


def test_a_film_that_is_being_written_plays_with_its_sound(film: Path, tmp_path: Path) -> None:
    writer = AnnotatedVideoWriter(tmp_path)
    writer.begin(start(film))
    for packet, result in shots():
        writer.add_frame(packet)
        writer.add_result(result)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes((tmp_path / "drive.mp4").read_bytes())
    writer.close()
    times = [time for time, _ in packets(cut, "video")]
    assert times == pytest.approx([ms / 1000 for ms in TIMES_MS[:-1]], abs=0.0001)
    heard = [time for time, _ in packets(cut, "audio")]
    assert heard[-1] > 1.85
    assert np.diff(heard).max() < 0.03


OTHERS: dict[str, Callable[[Path], StreamStart]] = {
    "a camera": lambda film: start(film, kind="camera", live=True),
    "a replay, which may be of a blurred session": lambda film: start(film, replay=True),
    "another film of that name": lambda film: start(film, frames=99),
    "a film of another size": lambda film: start(
        make_film(film.with_name("large.mp4"), large=True)
    ),
    "no file": lambda film: start(film.with_name("gone.mp4")),
    "a folder": lambda film: start(film.parent),
    "an address": lambda _: start("https://example.org/***"),
    "a text": lambda _: start(__file__),
    "nothing": lambda _: start(""),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_no_film_of_ours_has_no_sound(film: Path, tmp_path: Path, what: str) -> None:
    path = annotate(tmp_path, OTHERS[what](film))
    assert packets(path, "audio") == []
    assert len(packets(path, "video")) == len(TIMES_MS)


def test_a_film_without_sound_has_none(tmp_path: Path) -> None:
    silent = annotate(tmp_path / "silent", start("gone"))
    assert packets(annotate(tmp_path / "out", start(silent)), "audio") == []


def test_a_film_that_is_cut_off_is_heard_up_to_there(film: Path, tmp_path: Path) -> None:
    content = make_film(tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) // 2])
    path = annotate(tmp_path / "out", start(tmp_path / "cut.mkv"))
    assert len(packets(path, "video")) == len(TIMES_MS)


@pytest.mark.parametrize(
    ("privacy", "is_heard"), [({}, True), ({"privacy": "everything"}, True),
                              ({"privacy": "blurred"}, False)],
)  # fmt: skip
def test_an_export_has_sound_where_the_recording_shows_everything(
    film: Path, tmp_path: Path, privacy: dict[str, str], is_heard: bool
) -> None:
    """A voice is known as a face is."""
    said = [Packet(start(film)), *(p for f, e in shots() for p in (f, Packet(e)))]
    recording = Recording("drive", lambda: said, privacy)
    (path,) = make_exporter("mp4").export(recording, tmp_path)
    assert bool(packets(path, "audio")) == is_heard


def test_an_export_replaces_an_earlier_one_and_no_other_film(film: Path, tmp_path: Path) -> None:
    said = [Packet(start(film)), *(p for f, e in shots() for p in (f, Packet(e)))]
    recording = Recording("drive", lambda: said)
    for _ in range(2):
        (path,) = make_exporter("mp4").export(recording, tmp_path)
    path.write_bytes(film.read_bytes())
    with pytest.raises(AffectlineError, match=r"drive.mp4: is there already, and is not an annot"):
        make_exporter("mp4").export(recording, tmp_path)
    assert path.read_bytes() == film.read_bytes()


@pytest.mark.parametrize("small_disk", ["24k"], indirect=True)
def test_a_film_with_sound_that_has_no_room_is_one_line(film: Path, small_disk: Path) -> None:
    said = [Packet(start(film)), *(p for f, e in shots() for p in (f, Packet(e)))]
    with pytest.raises(AffectlineError, match=r"cannot write to --out .*drive.mp4 was cut off"):
        make_exporter("mp4").export(Recording("drive", lambda: said), small_disk)
    assert list(small_disk.iterdir()) == []
