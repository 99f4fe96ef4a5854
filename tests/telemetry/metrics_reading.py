"""What a scrape says, read by Prometheus's own parser."""

from prometheus_client.parser import text_string_to_metric_families

from callgate.telemetry.exposition import expose
from callgate.telemetry.metrics import Metrics
from callgate.telemetry.snapshot import Totals

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Samples:
    """Every sample of a text exposition; one that stands twice fails."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def scraped(metrics: Metrics) -> Samples:
    """What a scrape of one process says."""
    return parsed(expose(Totals([metrics.snapshot()]), None)[0].decode())


def value(samples: Samples, name: str, **labels: str) -> float | None:
    """One sample; None if it is not there."""
    return samples.get((name, frozenset(labels.items())))
