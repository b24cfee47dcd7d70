"""The main program of every child process: standard input names the service and its settings.

It imports only the service's own modules, so a process starts fast, and needs no packages that only
other services use.
"""

# ruff: noqa: E402 - garbage collection is off before anything is imported
import gc
import json
import sys
from importlib import import_module
from pathlib import Path

gc.disable()  # imports leave no garbage: collecting it takes a tenth of the start

from affectline.common import logs
from affectline.common.errors import explain_import
from affectline.common.runtime.supervision import EXIT_GIVEN_UP, SupervisorLink
from affectline.common.runtime.tracing import TRACE
from affectline.common.settings.hub import HubSettings
from affectline.services.registry import SPECS
from affectline.services.supervisor.fork_server import SERVER, serve


def main() -> None:
    """Read the task, work, and exit."""
    if sys.argv[-1] == SERVER:
        serve()  # it returns in the processes that it forks
    task = json.load(sys.stdin)
    spec = SPECS[task["kind"]]
    settings = spec.settings.model_validate(task["settings"])
    hub = HubSettings.model_validate(task["hub"])
    logs.configure(is_supervised=True)
    if task["trace"]:
        TRACE.start(Path(task["trace"]), settings.process_name)
    try:
        with TRACE.span("import"):
            import_module(spec.stage.partition(":")[0])
        gc.freeze()
        gc.enable()
        code = spec.run(settings, hub, task["delivery"])
    except ImportError as error:
        code = SupervisorLink().report_fatal(explain_import(error)) and EXIT_GIVEN_UP
    finally:
        TRACE.stop()
    sys.exit(code)


if __name__ == "__main__":
    main()
