"""What ``affectline subscribe`` prints of a message in one row."""

import json

import pytest

from affectline.common.labels import LABELS
from affectline.common.settings.hub import HubSettings
from affectline.common.wire.biometrics import Samples, State
from affectline.common.wire.messages import Packet
from affectline.services.cli import subscribe as command
from affectline.services.cli.subscribe import print_messages, summarize
from tests.samples import AT, PACKETS


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("Marker", "hard braking  km/h=63.5"),
        ("Samples", "812.5 ms  the last of 2  quality 50% no skin contact"),
        (
            "State",
            "nervousness 64  (heart +31)  arousal +0.40  valence -0.20  drowsiness 38  away 25%  "
            "quality 80%",
        ),
        ("Emotion", "      7     5.0 ms  #1 happy 90% (doubt: speaking), #2 stale"),
        ("Control", "seek  position_s=12.5  rate=2.0"),
        ("Health", "ready  3.0 ms  clock -1250.5 ± 0.2 ms  in 8 out 8"),
    ],
)
def test_a_row_has_what_matters(kind: str, row: str) -> None:
    assert summarize(PACKETS[kind].message) == row


def test_unknown_and_synthetic_values_are_marked() -> None:
    state = State(subject="anna", at=AT, synthetic=True)
    assert summarize(state) == "nervousness unknown  quality 0%  synthetic"
    samples = Samples(
        subject="anna", signal="skin_conductance", unit="uS", epoch=1, seq=0, at=AT, rate=4.0,
        values=(3.14159,), synthetic=True,
    )  # fmt: skip
    assert summarize(samples) == "3.142 uS  synthetic"


@pytest.mark.parametrize("kind", PACKETS)
def test_every_message_has_a_row(kind: str) -> None:
    assert summarize(PACKETS[kind].message)


class FakeSubscriber:
    """Two batches of messages; nothing arrives before the first wait is over."""

    def __init__(self, *_: object) -> None:
        self.closed = False
        self._batches = [[PACKETS["Emotion"], PACKETS["Marker"]], [PACKETS["State"]] * 5]
        subscribers.append(self)

    def wait(self, others: object = (), timeout_s: float | None = None) -> bool:
        return timeout_s is None

    def receive(self) -> list[Packet]:
        return self._batches.pop(0)

    def close(self) -> None:
        self.closed = True


subscribers: list[FakeSubscriber] = []


def test_it_stops_after_so_many_messages(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "OutletSubscriber", FakeSubscriber)
    monkeypatch.setattr(command, "is_there", lambda hub: True)
    print_messages("", HubSettings(), "json", 4)
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["message"] for line in lines] == ["Emotion", "Marker", "State", "State"]
    assert set(lines[0]["faces"][0]["probabilities"]) == set(LABELS)
    assert "is affectline up running" in err
    assert subscribers.pop().closed


def test_the_table_has_time_topic_and_summary(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "OutletSubscriber", FakeSubscriber)
    monkeypatch.setattr(command, "is_there", lambda hub: True)
    print_messages("", HubSettings(), "table", 2)
    marker = capsys.readouterr().out.splitlines()[1].split()
    assert len(marker[0].split(":")) == 3
    assert marker[1].startswith("marker/")
    assert marker[2:] == ["hard", "braking", "km/h=63.5"]
    assert subscribers.pop().closed


def test_it_says_where_no_hub_is_and_waits_for_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([False, False, True])
    seconds = iter([0.0, 1.0, 10.0])
    monkeypatch.setattr(command, "OutletSubscriber", FakeSubscriber)
    monkeypatch.setattr(command, "is_there", lambda hub: next(looks))
    monkeypatch.setattr(command, "monotonic", lambda: next(seconds))
    monkeypatch.setattr(command, "LOOK_S", 0.0)
    print_messages("", HubSettings(), "json", 4)
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 4
    assert err.startswith("affectline: no hub on 127.0.0.1:5555 yet: is affectline up running?")
    assert subscribers.pop().closed
