"""Health messages as Prometheus metrics."""

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from affectline.common.clock import monotonic
from affectline.common.wire.health import ENDED, GAUGES, Health
from affectline.services.hub.metrics_server import MetricsServer

if TYPE_CHECKING:
    from prometheus_client.core import Metric

SILENCE_S: Final = 3.0
"""A service counts as not ready after this time without a health message."""
FORGET_S: Final = 60.0
"""A service is forgotten after this time without a health message."""
MOST_SERVICES: Final = 256
"""How many services are kept and shown at once; health of any more is dropped."""


class HealthMetrics:
    """The newest health message of every service, served as metrics.

    Args:
        clock: Seconds of a monotonic clock: a dead service must not look alive when a clock is set.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._newest: dict[str, tuple[float, Health]] = {}
        self._lock = threading.Lock()
        """Another thread collects the metrics."""
        self._server: MetricsServer | None = None

    def __len__(self) -> int:
        return len(self._newest)

    def update(self, health: Health) -> bool:
        """Store the newest health message of a service, unless it has ended.

        Returns:
            False if there are too many services.
        """
        with self._lock:
            self._forget_silent()
            if health.detail == ENDED:
                self._newest.pop(health.service, None)
                return True
            if health.service not in self._newest and len(self._newest) >= MOST_SERVICES:
                return False
            self._newest.pop(health.service, None)  # the service silent for longest stays first
            self._newest[health.service] = self._clock(), health
        return True

    def _forget_silent(self) -> None:
        while self._newest:
            name, (received_s, _) = next(iter(self._newest.items()))
            if self._clock() - received_s <= FORGET_S:
                return
            del self._newest[name]

    def collect(self) -> "Iterator[Metric]":
        """Yield the metrics of every service that has published health."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        ready = GaugeMetricFamily("affectline_ready", "1 ready, 0 otherwise", labels=["service"])
        age = GaugeMetricFamily(
            "affectline_health_age_seconds", "Time since the last health message",
            labels=["service"],
        )  # fmt: skip
        messages = CounterMetricFamily(
            "affectline_messages",
            "Messages, and other things such as faces, frames and wrong tokens, since the start",
            labels=["service", "counter"],
        )
        gauges = GaugeMetricFamily(
            "affectline_now", "How many there are now, such as viewers: open pages",
            labels=["service", "gauge"],
        )  # fmt: skip
        latency = GaugeMetricFamily(
            "affectline_latency_seconds", "From capture to the end of this stage",
            labels=["service", "quantile"],
        )  # fmt: skip
        clock = GaugeMetricFamily(
            "affectline_clock_offset_seconds",
            "Offset of the hub's clock from the host's",
            labels=["service"],
        )
        uncertainty = GaugeMetricFamily(
            "affectline_clock_uncertainty_seconds", "Uncertainty of that offset", labels=["service"]
        )
        with self._lock:
            self._forget_silent()
            newest = sorted(self._newest.items())
        for name, (received_s, health) in newest:
            silent_s = self._clock() - received_s
            ready.add_metric([name], float(health.state == "ready" and silent_s < SILENCE_S))
            age.add_metric([name], silent_s)
            for counter, value in health.counters.items():
                family = gauges if counter in GAUGES else messages
                family.add_metric([name, counter], value)
            if health.clock:
                clock.add_metric([name], health.clock.offset_ms / 1000)
                uncertainty.add_metric([name], health.clock.uncertainty_ms / 1000)
            if health.latency:
                for quantile in ("p50", "p95", "p99"):
                    seconds = getattr(health.latency, f"{quantile}_ms") / 1000
                    latency.add_metric([name, f"0.{quantile[1:]}"], seconds)
        yield from (ready, age, messages, gauges, latency, clock, uncertainty)

    def serve(self, host: str, port: int) -> None:
        """Serve ``http://host:port/metrics`` from a thread.

        Raises:
            AffectlineError: The port is in use.
        """
        server = MetricsServer(lambda: render(self))
        server.start(host, port)
        self._server = server

    @property
    def refused_connections(self) -> int:
        """How many connections were closed without an answer."""
        return self._server.refused if self._server else 0

    def close(self) -> None:
        """Stop serving."""
        if self._server:
            self._server.close()


def render(metrics: HealthMetrics) -> tuple[bytes, str]:
    """The metrics as the text that Prometheus reads, and its content type."""
    # Most hubs are never asked: this import takes 40 ms
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(metrics)
    return generate_latest(registry), CONTENT_TYPE_LATEST
