"""Health messages as Prometheus metrics."""

import threading
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from affectline.common.clock import monotonic
from affectline.common.errors import AffectlineError
from affectline.common.wire.health import Health

SILENCE_S: Final = 3.0
"""A service without a health message for so long is not ready."""
FORGET_S: Final = 60.0
"""One without a health message for so long is not shown."""


class HealthMetrics(Collector):
    """The newest health message of every service, served as metrics.

    Args:
        clock: Seconds of a monotonic clock: a dead service must not look alive when a clock is set.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._newest: dict[str, tuple[float, Health]] = {}
        self._server: tuple[object, threading.Thread] | None = None

    def update(self, health: Health) -> None:
        """Take over the newest health message of a service."""
        self._newest[health.service] = self._clock(), health

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of every service that has published health."""
        ready = GaugeMetricFamily("affectline_ready", "1 ready, 0 otherwise", labels=["service"])
        age = GaugeMetricFamily(
            "affectline_health_age_seconds", "Time since the last health message",
            labels=["service"],
        )  # fmt: skip
        messages = CounterMetricFamily(
            "affectline_messages", "Messages by what became of them", labels=["service", "counter"]
        )
        latency = GaugeMetricFamily(
            "affectline_latency_seconds", "From capture to the end of this stage",
            labels=["service", "quantile"],
        )  # fmt: skip
        clock = GaugeMetricFamily(
            "affectline_clock_offset_seconds", "The hub's clock less the host's", labels=["service"]
        )
        uncertainty = GaugeMetricFamily(
            "affectline_clock_uncertainty_seconds", "How far that may be wrong", labels=["service"]
        )
        for name, (received_s, health) in sorted(self._newest.items()):
            silent_s = self._clock() - received_s
            if silent_s > FORGET_S:
                continue
            ready.add_metric([name], float(health.state == "ready" and silent_s < SILENCE_S))
            age.add_metric([name], silent_s)
            for counter, value in health.counters.items():
                messages.add_metric([name, counter], value)
            if health.clock:
                clock.add_metric([name], health.clock.offset_ms / 1000)
                uncertainty.add_metric([name], health.clock.uncertainty_ms / 1000)
            if health.latency:
                for quantile in ("p50", "p95", "p99"):
                    seconds = getattr(health.latency, f"{quantile}_ms") / 1000
                    latency.add_metric([name, f"0.{quantile[1:]}"], seconds)
        yield from (ready, age, messages, latency, clock, uncertainty)

    def serve(self, host: str, port: int) -> None:
        """Serve ``http://host:port/metrics`` from a thread.

        Raises:
            AffectlineError: The port is taken.
        """
        registry = CollectorRegistry()
        registry.register(self)
        try:
            self._server = start_http_server(port, host, registry)
        except OSError as error:
            raise AffectlineError(
                f"cannot serve metrics on {host}:{port} ({error.strerror})",
                "stop the program that uses the port or choose another one with --port or --hub",
            ) from error

    def close(self) -> None:
        """Stop serving."""
        if self._server:
            server, thread = self._server
            server.shutdown()  # type: ignore[attr-defined]
            server.server_close()  # type: ignore[attr-defined]
            thread.join()
