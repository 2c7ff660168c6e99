"""Metrics of the service for Prometheus."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from windowshop.search import Answer

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5.0, 10.0)
"""Upper ends of the histograms, in seconds."""


class Metrics:
    """Counters and gauges of one service, in a registry of their own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"windowshop_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"windowshop_{name}", text, labels, registry=registry)

        def times(name: str, text: str, label: str) -> Histogram:
            name = f"windowshop_{name}_seconds"
            return Histogram(name, text, [label], buckets=BUCKETS, registry=registry)

        self._requests = counter("requests", "Requests.", "route", "status")
        self._seconds = times("request", "From the first byte to the last.", "route")
        self._stages = times("search_stage", "Parts of a search.", "stage")
        self.in_flight = gauge("in_flight", "Requests under way.")
        self._zero = counter("zero_results", "Searches without a result.")
        self._relaxed = counter("relaxed", "Searches that gave something up to find anything.")
        self._closest = counter("closest", "Searches that had only the closest to what was asked.")
        self.upserts = counter("upserts", "Products written, by outcome.", "status")
        self.deletes = counter("deletes", "Products deleted.")
        self.events = counter("feedback", "What shoppers did.", "event")
        text = "Searches that were not written down for want of room."
        self.dropped_searches = counter("dropped_searches", text)
        self.lost = gauge("lost_transactions", "Writes that a power loss cost, at the start.")
        self._products = gauge("products", "Products.")
        self._queries = gauge("query_vectors", "Query texts, by where their vector was.", "found")
        text = "The generation that is searched."
        self._generation = gauge("generation_info", text, "name", "model_key")

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def search(self, answer: Answer) -> None:
        """Count an answered search."""
        for stage, milliseconds in answer.timings_ms.items():
            self._stages.labels(stage).observe(milliseconds / 1000)
        if answer.total == 0:
            self._zero.inc()
        if answer.relaxed:
            self._relaxed.inc()
        if answer.certainty and answer.certainty.found == "closest":
            self._closest.inc()

    def catalogue(
        self, name: str, model_key: str, num_products: int, queries: Mapping[str, int]
    ) -> None:
        """Set the gauges of the generation that is searched."""
        self._generation.clear()
        self._generation.labels(name, model_key).set(1)
        self._products.set(num_products)
        for found, count in queries.items():
            self._queries.labels(found).set(count)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)
