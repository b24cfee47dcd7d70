"""The whole pipeline from one command: starts the processes, watches them, ends with them."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from common.clock import monotonic, now_ns
from common.config import Delivery, Pace, PipelineSettings, SourceSettings, is_live, redact
from common.errors import AffectlineError
from common.link import EXIT_GIVEN_UP
from common.messages import Emotion, Packet, StreamEnd, StreamStart
from common.names import to_name
from common.sockets import Listener, taken_ports
from common.waker import Waker
from services.children import Child, Task

CHECK_S: Final = 0.25
FLUSH_S: Final = 1.5
"""After Ctrl-C: how long the last frames may take to be written down."""
STOP_S: Final = 1.0
"""How long a process may take to stop before it is killed."""

Watcher = Callable[[Packet], None]


class Launcher:
    """Starts, watches and stops the processes of one pipeline run.

    Args:
        settings: Complete: with sources, delivery, pace and session folder.
        quiet: Keep the children's words off standard output.
        watch: Called with every `StreamStart`, `Emotion` and `StreamEnd`.
    """

    def __init__(
        self, settings: PipelineSettings, *, quiet: bool, watch: Watcher = lambda _: None
    ) -> None:
        self._settings, self._quiet, self._watch = settings, quiet, watch
        self._waker = Waker()
        self._children: dict[str, Child] = {}
        self._reached: dict[str, tuple[int, int]] = {}
        """Per stream: epoch, and the first seq that has no answer yet."""
        self._stop_by: float | None = None
        self._kill_by: float | None = None
        self.failure: AffectlineError | None = None
        self.interrupted = False
        self.restarts: dict[str, int] = {}

    def run(self) -> None:
        """Run until every file has ended, something failed for good, or Ctrl-C.

        Raises:
            AffectlineError: A process gave up; everything is stopped by then.
        """
        # Asked before anything starts: our sources must not speak to somebody else's hub
        if taken := taken_ports(self._settings.hub):
            raise AffectlineError(
                f"cannot listen on port {'; '.join(taken)}",
                "stop the program that uses it (another affectline?) or choose others with --port",
            )
        listener = Listener(self._settings.hub, ("emotion/", "stream/"))
        with self._waker:
            try:
                for task in plan(self._settings):
                    self._start(task)
                while self._children:
                    self._wait(listener)
                    for packet in listener.receive():
                        self._note(packet)
                    self._check()
            finally:
                for child in self._children.values():
                    child.kill()
                    child.listen()
                listener.close()
        if self.failure:
            raise self.failure

    def _start(self, task: Task) -> None:
        delivery = self._settings.delivery or "lossless"
        stdout = sys.stderr if self._quiet else None
        self._children[task.name] = Child(task, self._settings.hub, delivery, stdout)

    def _wait(self, listener: Listener) -> None:
        sockets = [child.socket for child in self._children.values()]
        listener.wait([*sockets, self._waker.receiver], CHECK_S)
        self._waker.drain()

    def _note(self, packet: Packet) -> None:
        message = packet.message
        if isinstance(message, Emotion):
            self._reached[message.stream] = (message.epoch, message.seq + 1)
        if isinstance(message, (Emotion, StreamStart, StreamEnd)):
            self._watch(packet)

    def _check(self) -> None:
        if self._waker.stopping and not self.interrupted:
            self.interrupted = True
            self._begin_stopping(FLUSH_S)
        for child in list(self._children.values()):
            code = child.listen()
            if code is not None:
                self._on_death(child, code)
            elif child.silent and self._stop_by is None:
                child.kill()
        self._stop_in_time()

    def _on_death(self, child: Child, code: int) -> None:
        name = child.task.name
        del self._children[name]
        if self._stop_by is not None or (code == 0 and child.task.kind == "capture"):
            if child.task.kind == "sink":
                self._stop_all()
            return
        if code == 0 and child.task.kind == "sink":
            self._begin_stopping(0.0)
        elif code == EXIT_GIVEN_UP:
            self._fail(AffectlineError(f"{name}: {child.last_words}", ""))
        elif child.may_restart():
            self._restart(child)
        else:
            problem = f"{name} died {len(child.restarts)} times within seconds (last exit {code})"
            self._fail(AffectlineError(problem, "see what it wrote to standard error above"))

    def _restart(self, child: Child) -> None:
        task = child.task
        self.restarts[task.name] = child.restarted
        if task.kind == "capture":
            source = SourceSettings.model_validate(task.arguments["source"])
            epoch, first_seq = self._reached.get(source.name, (task.arguments["epoch"], 0))
            if is_live(source.source) or source.loop:
                # New pictures: a new epoch, even where the clock was set back
                epoch, first_seq = max(now_ns() // 1_000_000, epoch + 1), 0
            task.arguments |= {"epoch": epoch, "first_seq": first_seq, "patient": True}
        child.start()
        self._children[task.name] = child

    def _fail(self, error: AffectlineError) -> None:
        self.failure = self.failure or error
        self._begin_stopping(0.0)

    def _begin_stopping(self, flush_s: float) -> None:
        """Stop the sources first, so that the sink can finish what is under way."""
        if self._stop_by is not None:
            return
        self._stop_by = monotonic() + flush_s
        for child in self._children.values():
            if child.task.kind == "capture":
                child.stop()

    def _stop_in_time(self) -> None:
        now = monotonic()
        if self._stop_by is not None and now >= self._stop_by and self._kill_by is None:
            self._stop_all()
        if self._kill_by is not None and now >= self._kill_by:
            for child in self._children.values():
                child.kill()

    def _stop_all(self) -> None:
        if self._kill_by is None:
            self._kill_by = monotonic() + STOP_S
            for child in self._children.values():
                child.stop()


def plan(settings: PipelineSettings) -> list[Task]:
    """The processes that a pipeline consists of."""
    sources = settings.sources
    sink = {
        "folder": str(settings.sink.out),
        "expected": [source.name for source in sources],
        "display": settings.sink.display,
        "about": describe_run(settings),
    }
    tasks = [Task("hub", "hub"), Task("sink", "sink", sink)]
    detector = settings.detector.model_dump(mode="json")
    capture = settings.capture.model_dump(mode="json")
    for source in sources:
        stream = {"stream": source.name, "settings": detector}
        tasks.append(Task(f"detector/{source.name}", "detector", stream))
    for i in range(1, settings.classifier.instances + 1):
        chosen = {"name": str(i), "settings": settings.classifier.model_dump(mode="json")}
        tasks.append(Task(f"classifier/{i}", "classifier", chosen))
    for source in sources:
        what = {
            "source": source.model_dump(),
            "settings": capture,
            "pace": settings.pace,
            "epoch": now_ns() // 1_000_000,
        }
        tasks.append(Task(f"capture/{source.name}", "capture", what))
    return tasks


def describe_run(settings: PipelineSettings) -> dict[str, Any]:
    """What ``session.json`` says of a run's settings; addresses without passwords."""
    shown = tuple(s.model_copy(update={"source": redact(s.source)}) for s in settings.sources)
    plain = settings.model_copy(update={"sources": shown}).model_dump(mode="json")
    return {"delivery": settings.delivery, "settings": plain}


def name_sources(sources: list[str]) -> tuple[SourceSettings, ...]:
    """Give each ``--source`` a stream name: ``name=source``, or one made from the source."""
    named: list[SourceSettings] = []
    for text in sources:
        name, equals, source = text.partition("=")
        if not equals or "/" in name or ":" in name or os.path.exists(text):  # noqa: PTH110 - never raises
            name, source = _name(text), text
        taken = {s.name for s in named}
        unique = next(n for n in _numbered(name) if n not in taken)
        try:
            named.append(SourceSettings(name=unique, source=source))
        except ValidationError as error:
            raise AffectlineError(
                f"--source {redact(text)}: not a source with a name",
                "as in driver=0: letters, digits, '.', '_' and '-' for the name, then the source",
            ) from error
    return tuple(named)


def _name(source: str) -> str:
    if source.isdecimal():
        return f"camera{source}"
    if "://" in source:
        source = source.split("://", 1)[1].split("@")[-1].split("?")[0]
        stem = source.replace("/", "-")
    else:
        stem = Path(source).resolve().stem
    return to_name(stem)[:56] or "stream"


def _numbered(name: str) -> Any:
    yield name
    yield from (f"{name}-{i}" for i in range(2, 1000))


def complete(settings: PipelineSettings) -> PipelineSettings:
    """Fill in what the settings leave to the sources: delivery, pace and session folder.

    Raises:
        AffectlineError: The session folder exists and holds something.
    """
    sources = settings.sources or name_sources(["sample"])
    live = any(is_live(source.source) for source in sources)
    delivery: Delivery = settings.delivery or ("live" if live else "lossless")
    watched = settings.sink.display == "window"
    pace: Pace = settings.pace or ("realtime" if watched or delivery == "live" else "fast")
    out = settings.sink.out
    if out is None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        stem = f"{stamp}-{sources[0].name}"
        out = next(p for n in _numbered(stem) if not (p := Path("sessions") / n).exists())
    elif _holds_something(out):
        raise AffectlineError(
            f"--out {out}: exists and is not an empty folder",
            "name a new one; nothing is overwritten",
        )
    return settings.model_copy(
        update={
            "sources": sources,
            "delivery": delivery,
            "pace": pace,
            "sink": settings.sink.model_copy(update={"out": out.absolute()}),
        }
    )


def _holds_something(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        return True
    except OSError as error:
        raise AffectlineError(
            f"--out {folder}: cannot be used ({error.strerror})", "name a folder of your own"
        ) from error


def read_session(folder: Path) -> dict[str, Any]:
    """Read what the sink wrote about a session."""
    content: dict[str, Any] = json.loads((folder / "session.json").read_text(encoding="utf-8"))
    return content
