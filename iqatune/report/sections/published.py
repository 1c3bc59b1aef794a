"""All published figures that stand beside the report's own, in one section: none of them was measured here."""

from iqatune.report.context import Context
from iqatune.report.model import Section
from iqatune.report.sections.distortions import published_distortions
from iqatune.report.sections.scores import published_searches
from iqatune.report.sections.speed import published_speed
from iqatune.report.sections.state_of_the_art import published_metrics

APART = (
    "None of these was measured here. Their pairs, labels and resize differ or are not known, so they stand in tables "
    "apart. Metrics that were trained on a set, trained elsewhere and not trained stand apart: only the last two say "
    "how a metric does on images that it has not seen."
)


def published_section(context: Context) -> Section | None:
    """None where nothing was published of the data sets of the report."""
    said, metrics = published_metrics(context)
    tables = (*metrics, *published_searches(context), *published_distortions(context))
    if not tables:
        return None
    return Section("Published figures", (APART, *said), tables=(*tables, published_speed()))
