"""What the remote control says of the pipeline."""

from affectline.common.runtime.stage import StageContext
from affectline.services.remote.spec import RemoteProcess
from affectline.services.remote.stage import Remote


def test_the_status_names_the_recording_whoever_started_it() -> None:
    stage = Remote(RemoteProcess())
    stage.context = StageContext("remote", ready={"sink", "recorder"})
    assert stage._describe()["recording"] is None
    stage.context.ready.add("recorder/p07")
    assert stage._describe()["recording"] == "p07"
    stage.context.ready.discard("recorder/p07")
    assert stage._describe()["recording"] is None
