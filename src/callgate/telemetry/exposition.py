"""The values in the text formats that Prometheus reads. Names, escaping and formats are the client library's."""

from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from callgate.telemetry import families as f
from callgate.telemetry.snapshot import Totals

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_OPENMETRICS = "application/openmetrics-text"


def expose(totals: Totals, accept: str | None) -> tuple[bytes, str]:
    """The body and its content type, in the format that the `Accept` header of the scrape asks for."""
    from prometheus_client.exposition import choose_encoder  # costs megabytes; many gates are never scraped

    # The library copies parameters of the header into its answer, so it gets a header of ours.
    wanted = {part.partition(";")[0].strip().lower() for part in (accept or "").split(",")}
    encode, content_type = choose_encoder(f"{_OPENMETRICS};version=1.0.0" if _OPENMETRICS in wanted else "")
    return encode(_Collector(totals)), content_type


class _Collector:
    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
        from prometheus_client.utils import floatToGoString

        totals = self._totals
        bounds = [*map(floatToGoString, f.SECONDS), "+Inf"]
        for family in f.FAMILIES:
            if family.kind == "counter":
                counter = CounterMetricFamily(family.name, family.help, labels=family.labels)
                for labels, value in totals.counters.get(family.name, {}).items():
                    counter.add_metric(labels, value)
                yield counter
            elif family.kind == "histogram":
                histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
                for labels, observed in totals.histograms.get(family.name, {}).items():
                    histogram.add_metric(
                        labels, [*zip(bounds, accumulate(observed.buckets), strict=True)], observed.sum
                    )
                yield histogram
            else:
                gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
                for labels, value in _readings(totals, family.name):
                    gauge.add_metric(labels, value)
                yield gauge


def _readings(totals: Totals, name: str) -> Iterator[tuple[tuple[str, ...], float]]:
    if name == f.LIMIT_USED.name:
        yield from ((labels, used) for labels, (used, _) in totals.limits.items())
    elif name == f.LIMIT_MAX.name:
        yield from ((labels, most) for labels, (_, most) in totals.limits.items())
    else:
        yield from totals.gauges.get(name, {}).items()
