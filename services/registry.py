"""Every service, one line each."""

from typing import Final

from affectline.common.runtime.spec import ServiceSpec
from affectline.services.biometrics.spec import SPEC as BIOMETRICS
from affectline.services.capture.spec import SPEC as CAPTURE
from affectline.services.classifier.spec import SPEC as CLASSIFIER
from affectline.services.collect.spec import SPEC as COLLECT
from affectline.services.dashboard.spec import SPEC as DASHBOARD
from affectline.services.detector.spec import SPEC as DETECTOR
from affectline.services.fusion.spec import SPEC as FUSION
from affectline.services.hub.spec import SPEC as HUB
from affectline.services.lsl.spec import SPEC as LSL
from affectline.services.recorder.spec import SPEC as RECORDER
from affectline.services.remote.spec import SPEC as REMOTE
from affectline.services.replay.spec import SPEC as REPLAY
from affectline.services.sink.spec import SPEC as SINK

# In the order in which a pipeline starts them: the hub, who writes, who works, who publishes.
SPECS: Final[dict[str, ServiceSpec]] = {
    spec.kind: spec
    for spec in (
        HUB, SINK, RECORDER, DETECTOR, CLASSIFIER, FUSION, LSL, REMOTE, DASHBOARD, COLLECT, CAPTURE,
        BIOMETRICS, REPLAY,
    )
}  # fmt: skip
