"""Who may publish and subscribe to what."""

import pytest
from pydantic import TypeAdapter, ValidationError

from affectline.common.identifiers import ServiceName, sensor_service
from affectline.common.runtime.keys import CurvePair, KeyHolder
from affectline.common.wire import codec
from affectline.common.wire.control import PIPELINE, Control, Quit, Record, StopRecording
from affectline.common.wire.health import Health
from affectline.common.wire.kept import Kept
from affectline.common.wire.kinds import message_kinds
from affectline.common.wire.messages import Packet
from affectline.services.hub.access import AccessControl, heard_topics, open_topics

KEY = CurvePair.new().public_key
HOLDERS = {
    holder.name: holder
    for holder in (
        KeyHolder(name="part", public_key=KEY, role="pipeline"),
        KeyHolder(name="lab2", public_key=KEY, role="pipeline", services=("classifier", "sink")),
        KeyHolder(name="strap", public_key=KEY, role="sensor", subjects=("anna",)),
        KeyHolder(name="any-strap", public_key=KEY, role="sensor"),
        KeyHolder(name="wall", public_key=KEY, role="listener"),
        KeyHolder(name="film", public_key=KEY, role="listener", prefixes=("frame/", "emotion/")),
        KeyHolder(name="desk", public_key=KEY, role="operator"),
    )
}
RECORD = Record(session="s", privacy="features", consent="yes")


def parts(topic: str) -> list[bytes]:
    return [topic.encode(), b""]


def command(action: Record | StopRecording | Quit, target: str = PIPELINE) -> list[bytes]:
    packet = Packet(Control(target=target, at=1, action=action))
    return [bytes(part) for part in codec.encode(packet)]


@pytest.fixture
def keyed() -> AccessControl:
    return AccessControl("keys", lambda: HOLDERS)


def test_tools_publish_samples_and_markers() -> None:
    assert open_topics() == ("bio/", "marker/")


@pytest.mark.parametrize("prefix", sorted({k.topic_prefix for k in message_kinds().values()}))
def test_what_each_role_publishes(keyed: AccessControl, prefix: str) -> None:
    topic = parts(f"{prefix}/x")
    assert keyed.may_publish("part", topic)
    assert not keyed.may_publish("wall", topic)
    assert keyed.may_publish("desk", topic) is (prefix == "marker")
    assert keyed.may_publish("any-strap", topic) is (prefix in ("bio", "marker"))
    for stranger in ("", "gone"):
        assert not keyed.may_publish(stranger, topic)
    assert AccessControl("guests").may_publish("", topic) is (prefix in ("bio", "marker"))
    assert AccessControl("everything").may_publish("", topic)


def test_a_sensor_sends_again_what_is_its_own_to_consumers_that_keep_it(
    keyed: AccessControl,
) -> None:
    def again(service: str, topic: str) -> list[bytes]:
        return [f"~to/{service}:".encode(), *parts(topic)]

    for service in ("sink", "recorder/drive"):
        assert keyed.may_publish("strap", again(service, "bio/anna/heart_rate"))
        assert keyed.may_publish("strap", again(service, "marker/s"))
    assert not keyed.may_publish("strap", again("sink", "bio/ben/heart_rate"))
    assert not keyed.may_publish("strap", again("sink", "emotion/film"))
    assert not keyed.may_publish("strap", again("sink", "health/biometrics/anna/csv"))
    assert not keyed.may_publish("strap", again("detector/film", "bio/anna/heart_rate"))
    assert not keyed.may_publish("strap", [b"~to/sink:"])
    for user in ("wall", "desk"):
        assert not keyed.may_publish(user, again("sink", "marker/s"))


def test_a_sensor_hears_the_receipts_of_what_is_its_own(keyed: AccessControl) -> None:
    topics = ("bio/anna/rr", "bio/ben/rr", "marker/s", "emotion/film")
    keys: dict[str, tuple[tuple[int, int], ...]] = dict.fromkeys(topics, ((1, 2),))
    receipt = Kept(by="sink", prefixes=("",), keys=keys)
    own = dict(keyed.split_receipt(receipt))
    assert own.keys() == {"~to/sensors/strap:", "~to/sensors/any-strap:"}
    assert own["~to/sensors/strap:"].keys.keys() == {"bio/anna/rr", "marker/s"}
    assert own["~to/sensors/any-strap:"].keys.keys() == {"bio/anna/rr", "bio/ben/rr", "marker/s"}
    assert keyed.narrow("strap", "~to/sensors/") == ("~to/sensors/strap:",)
    assert keyed.narrow("strap", "~to/sensors/any-strap:") == ()
    for user in ("wall", "desk", "film"):
        assert keyed.narrow(user, "~to/sensors/") == ()
    assert not list(AccessControl("guests").split_receipt(receipt))


def test_a_part_that_is_limited_publishes_as_its_services_alone(keyed: AccessControl) -> None:
    may = {"Scores", "Resend", "StreamDone", "Marker", "Control"}
    for name, kind in message_kinds().items():
        if not kind.names_publisher:
            packet = Packet(kind.example(), kind.example_parts)
            encoded = [bytes(part) for part in codec.encode(packet)]
            assert keyed.may_publish("lab2", encoded) is (name in may), name
            again = [b"~to/sink:", *encoded]
            assert keyed.may_publish("lab2", again) is (name in may), name
    for service, is_its in (("classifier/7", True), ("sink", True), ("classifiers", False)):
        told = Packet(Health.example().model_copy(update={"service": service}))
        assert keyed.may_publish("lab2", [bytes(p) for p in codec.encode(told)]) is is_its
    assert not keyed.may_publish("lab2", [b"scores/drive", b"rubbish"])
    assert not keyed.may_publish("lab2", [b"~to/sink:"])


def test_a_sensor_speaks_of_its_subjects_alone(keyed: AccessControl) -> None:
    assert keyed.may_publish("strap", parts("bio/anna/heart_rate"))
    assert not keyed.may_publish("strap", parts("bio/ben/heart_rate"))
    assert not keyed.may_publish("strap", parts("bio/annabel/heart_rate"))
    assert keyed.may_publish("strap", parts("health/biometrics/anna/polar"))
    assert not keyed.may_publish("strap", parts("health/hub"))
    for subject in ("anna-b", "anna-", "anna.b", "annab"):
        service = sensor_service(subject, "csv")
        assert not keyed.may_publish("strap", parts(f"watermark/{service}")), subject
        assert not keyed.may_publish("strap", parts(f"health/{service}")), subject
    assert keyed.may_publish("strap", parts(f"watermark/{sensor_service('anna', 'csv')}"))


def test_names_of_sensors_in_older_recordings_are_read() -> None:
    parse = TypeAdapter(ServiceName).validate_python
    assert parse("biometrics/anna-csv")
    assert parse("biometrics/anna/csv")
    for wrong in ("biometrics/anna/csv/x", "biometrics//csv", "biometrics/anna/"):
        with pytest.raises(ValidationError):
            parse(wrong)


def test_an_operator_records_and_does_not_quit(keyed: AccessControl) -> None:
    assert keyed.may_publish("desk", command(RECORD))
    assert keyed.may_publish("desk", command(StopRecording()))
    assert not keyed.may_publish("desk", command(Quit()))
    assert not keyed.may_publish("desk", command(RECORD, "replay"))
    assert not keyed.may_publish("desk", [b"control/pipeline", b"rubbish"])


def test_a_listener_does_not_see_pictures_unless_it_is_allowed(keyed: AccessControl) -> None:
    everything = keyed.narrow("wall", "")
    assert everything == heard_topics()
    assert not {"frame/", "faces/"} & set(everything)
    assert keyed.narrow("wall", "frame/") == ()
    assert keyed.narrow("wall", "f") == ()
    assert keyed.narrow("wall", "emotion/drive") == ("emotion/drive",)
    assert keyed.narrow("film", "") == ("frame/", "emotion/")
    assert keyed.narrow("film", "frame/front") == ("frame/front",)
    assert keyed.narrow("film", "state/") == ()
    assert keyed.narrow("strap", "emotion/") == ()
    assert keyed.narrow("part", "faces/") == ("faces/",)
    assert keyed.narrow("gone", "emotion/") == ()


def test_nobody_sees_pictures_on_loopback_without_a_key() -> None:
    guests = AccessControl("guests")
    assert guests.narrow("", "") == heard_topics()
    assert guests.narrow("", "emotion/") == ("emotion/",)
    for pictures in ("frame/", "faces/front", "f"):
        assert guests.narrow("", pictures) == ()
    assert AccessControl("everything").narrow("", "frame/") == ("frame/",)
