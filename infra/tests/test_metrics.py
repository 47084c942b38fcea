"""docs/METRICS.md, whose table the code is held to, the alarms and the dashboard speak of the same metrics; and what they cost a month."""

import json
import re
import unittest
from decimal import ROUND_UP, Decimal

import dashboard
from template import REPOSITORY, Template
from test_alarms import NAMESPACE, Metrics, cases

DOCUMENT = (REPOSITORY / "docs" / "METRICS.md").read_text()
# https://aws.amazon.com/cloudwatch/pricing/, us-east-1, 2026-11: a metric, of the first 10,000; a metric that an alarm watches; a GB of logs.
METRIC, ALARM, LOGS = Decimal("0.30"), Decimal("0.10"), Decimal("0.50")
LEVELS = ("off", "basic", "full")
JOBS, MINUTES = 1_000 * 30, 30 * 24 * 60
# Values of a dimension beside the pool's, at most: the outcomes of runners.
VALUES = {"outcome": 6}


def listed():
    """Name: (dimensions, level, from, sent) of every metric in the document's table."""
    rows = re.findall(r"^\| `(\w+)` \| \w+ \| ([^|]*) \| (\w+) \| ([^|]+) \| (\w+) \|", DOCUMENT, re.MULTILINE)
    return {name: (tuple(filter(None, dimensions.split(", "))), level, source, sent) for name, dimensions, level, source, sent in rows}


def watched(template):
    """Every metric that an alarm is charged for."""
    alarms = template.of_type("AWS::CloudWatch::Alarm").values()
    return [metric for alarm in alarms for metric in ([one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one] if "Metrics" in alarm else [alarm])]


def month(level, pools):
    """(metrics, dollars for metrics, for alarms, for logs) a month."""
    sent = 0
    for dimensions, lowest, _, when in listed().values():
        if when == "trouble" or LEVELS.index(lowest) > LEVELS.index(level):
            continue
        several = 1
        for dimension in dimensions:
            several *= pools if dimension == "pool" else VALUES[dimension]
        sent += several
    lines = {case["cause"]: len(case["line"]) for case in cases()}
    # Each minute and twice for each job a pool is looked at; a job begins once, and its runner ends once.
    size = (MINUTES * pools + 2 * JOBS) * lines["a look at a pool on a good day"] + JOBS * (lines["a job begins"] + lines["a runner had its job"])
    cents = Decimal("0.01")
    logs = (Decimal(size) / 10**9 * LOGS).quantize(cents, ROUND_UP)
    return sent, sent * METRIC, len(watched(Template())) * ALARM, logs


def row(level, pools):
    sent, metrics, alarms, logs = month(level, pools)
    return f"| {level} | {pools} | {sent}: ${metrics:.2f} | ${alarms:.2f} | ${logs:.2f} | $0.00 | **${metrics + alarms + logs:.2f}** |"


class Costs(unittest.TestCase):
    def test_the_document_has_each_level_s_price(self):
        rows = [row(level, pools) for level in LEVELS for pools in (1, 3, 12)]
        found = re.findall(r"^\| (?:off|basic|full) \| \d+ \|.*$", DOCUMENT, re.MULTILINE)
        self.assertEqual(found, rows, "docs/METRICS.md should have:\n" + "\n".join(rows))

    def test_basic_with_three_pools_is_at_most_six_dollars(self):
        _, metrics, alarms, logs = month("basic", 3)
        self.assertLessEqual(metrics + alarms + logs, 6)

    def test_basic_is_at_most_ten_metrics_a_pool(self):
        each = [name for name, (dimensions, level, _, _) in listed().items() if "pool" in dimensions and level in ("off", "basic")]
        self.assertTrue(0 < len(each) <= 10, each)


class Names(unittest.TestCase):
    def setUp(self):
        self.template = Template()
        self.filters = {made["MetricName"] for each in self.template.of_type("AWS::Logs::MetricFilter").values() for made in each["MetricTransformations"]}

    def test_filters_count_what_the_list_says_they_do(self):
        self.assertEqual(self.filters, {name for name, (_, _, source, _) in listed().items() if source.startswith("filter: ")})

    def test_alarms_watch_metrics_that_are_sent_at_every_level_and_have_no_dimensions(self):
        ours = {metric["MetricName"] for metric in watched(self.template) if metric["Namespace"] == NAMESPACE}
        self.assertGreater(len(ours), 8)
        for name in ours:
            dimensions, level, _, _ = listed()[name]
            self.assertEqual((dimensions, level), ((), "off"), name)

    def test_the_dashboard_shows_every_metric_and_no_other(self):
        text = json.dumps(dashboard.body())
        own = {metric[1] for widget in dashboard.body()["widgets"] if widget["type"] == "metric" for metric in widget["properties"]["metrics"] if metric[0] == dashboard.NAMESPACE}
        searched = set(re.findall(r'MetricName=\\+"(\w+)\\+"', text))
        self.assertEqual(own | searched, set(listed()))

    def test_searches_have_the_dimensions_of_the_list(self):
        found = re.findall(r'SEARCH\(\'\{\\+"[^"]+\\+",([\w,]+)\} MetricName=\\+"(\w+)\\+"', json.dumps(dashboard.body()))
        self.assertGreater(len(found), 10)
        for dimensions, name in found:
            self.assertEqual(tuple(dimensions.split(",")), listed()[name][0], name)

    def test_lines_in_embedded_format_name_metrics_of_the_list(self):
        metrics, seen = Metrics(self.template), set()
        for case in cases():
            for _, name, dimensions, _ in metrics.of_line(case["log"], case["line"]):
                self.assertEqual({key for key, _ in dimensions}, set(listed()[name][0]), name)
                seen.add(name)
        # A case for each that an alarm watches.
        self.assertEqual({metric["MetricName"] for metric in watched(self.template) if metric["Namespace"] == NAMESPACE} - seen, set())


if __name__ == "__main__":
    unittest.main()
