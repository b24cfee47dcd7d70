"""The stage of the collect process: a web server in parallel to the runtime's own loop.

It subscribes to the hub's outlet like any other tool.
"""

import sys
from collections.abc import Iterator

from affectline.common.errors import AffectlineError
from affectline.common.logs import adopt
from affectline.common.runtime.stage import Stage
from affectline.common.wire.messages import Packet
from affectline.services.collect.collection import Collection
from affectline.services.collect.spec import CollectProcess


class Collect(Stage):
    """Serves the page that collects a dataset."""

    tick_ms = 500

    def __init__(self, process: CollectProcess) -> None:
        self._page, self._folder, self._hub = process.page, process.folder, process.hub

    def setup(self) -> None:
        try:
            from affectline.services.collect.collector import Collector
            from affectline.services.collect.page import add_to
            from affectline.services.web.server import WebServer
        except ImportError as error:
            raise AffectlineError(
                f"affectline collect needs NiceGUI ({error})", "pip install 'affectline[dashboard]'"
            ) from error
        self._collection = Collection(self._folder)
        adopt("uvicorn", self.context.log)
        collector = Collector(self._hub, self._collection)
        self._web = WebServer(self._page, collector, add_to(collector))
        self._web.start()
        self._announce()

    def tick(self) -> Iterator[Packet]:
        self._web.check()
        self.context.counters["takes"] = len(self._collection.samples)
        self.context.counters["wrong_tokens"] = self._web.wrong_tokens.count
        return iter(())

    def cleanup(self) -> None:
        if hasattr(self, "_web"):
            self._web.stop()
        if hasattr(self, "_collection"):
            self._collection.close()

    def _announce(self) -> None:
        """Print the page's address, and how to log in; open the page if there is a screen."""
        lines = self._web.announce("collect")
        lines += [f"samples are stored in {self._folder}; end with Ctrl-C"]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        self._web.open_browser()
