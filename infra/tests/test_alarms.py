"""Each alarm rings for what it is there for, in time, and none rings on a good day: real lines go through filters and embedded metrics to the alarms.

How CloudWatch does it: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html (periods, M of N, missing data).
"""

import json
import re
import unittest

from template import PATH, REPOSITORY, Template
from test_template import matches

NAMESPACE = "Mayfly/mayfly/6f0f3c60-9d0a-11f0-a5b5-0affd5a1b2c3"
LAMBDA = "AWS/Lambda"
# A day on which nothing is wrong that does not pass by itself: cause, and in which minutes.
GOOD_DAY = {
    "a sweep comes to its end": range(0, 1440),
    "a look at a pool on a good day": range(0, 1440),
    "a job begins": range(0, 1440, 7),
    "a runner had its job": range(3, 1440, 7),
    "a runner of the idle floor is not needed": [400],
    "one start fails": [250, 900],
    "GitHub is asked": range(0, 1440),
    "a delivery is answered 503 by webhook, or by the gateway for it": [100, 700],
    "a flood of deliveries": [200],
    "a stranger's delivery is refused": [300, 301, 302, 600],
    "a request of a stranger's is not signed": range(0, 1440, 3),
    "a delivery is signed with another secret": [500],
    "GitHub tells an installation to wait": [800],
    "the ledger does not answer once": [50, 950],
    "DynamoDB answers 500 once": [60],
    "a delivery was asked for again": [110, 710],
    "a job is found that no delivery told of": [111],
}
# What each alarm is there for: the cause, every so many minutes, and within how many minutes it must ring.
RINGS = {
    "webhook-5xx": ("a delivery is answered 503 by webhook, or by the gateway for it", 2, 15),
    "throttled-requests": ("a flood of admissions", 1, 15),
    "action-required": ("a permission is missing", 1000, 6),
    "oldest-waiting-job": ("a look at a pool with a job that has waited for half an hour", 1, 15),
    "breaker-open": ("a look at a pool whose image cannot be pulled", 1, 15),
    # Two deliveries of one job.
    "wrong-webhook-secret": ("a delivery is signed with another secret", 4, 10),
    "settings-broken": ("the pools file is broken", 1000, 6),
    "github-limit": ("GitHub tells an installation to wait", 3, 15),
    "runner-version": ("GitHub refuses a runner's version", 1000, 6),
}


def cases():
    return [json.loads(text) for text in (PATH.parent / "tests" / "log-lines.jsonl").read_text().splitlines()]


def embedded(line):
    """(namespace, metric, dimensions, value) of each metric that a line in embedded metric format makes.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"""
    if not isinstance(line, dict):
        return
    for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
        for names in directive["Dimensions"]:
            dimensions = frozenset((name, line[name]) for name in names)
            for metric in directive["Metrics"]:
                yield directive["Namespace"], metric["Name"], dimensions, line[metric["Name"]]


def parsed(text):
    try:
        return json.loads(text)
    except ValueError:
        return None  # Plain text is nothing to a pattern of JSON.


class Metrics:
    """What CloudWatch has: values of metrics by the minute."""

    def __init__(self, template):
        self.filters = template.of_type("AWS::Logs::MetricFilter").values()
        self.groups = {"api": "<ApiLogs>", **{name.lower(): f"<{name}Logs>" for name in template.functions()}}
        self.values = {}

    def put(self, minute, namespace, name, dimensions, value):
        self.values.setdefault((namespace, name, dimensions), []).append((minute, value))

    def of_line(self, log, text):
        line = parsed(text)
        yield from embedded(line)
        for each in self.filters:
            if each["LogGroupName"] == self.groups[log] and matches(each["FilterPattern"], line):
                for made in each["MetricTransformations"]:
                    yield made["MetricNamespace"], made["MetricName"], frozenset(), float(made["MetricValue"])

    def log(self, minute, log, text):
        for namespace, name, dimensions, value in self.of_line(log, text):
            self.put(minute, namespace, name, dimensions, value)

    def statistic(self, stat, metric, first, last):
        """Of a period that begins at a minute; none where there is no value."""
        dimensions = frozenset((one["Name"], one["Value"]) for one in metric.get("Dimensions", []))
        values = [value for minute, value in self.values.get((metric["Namespace"], metric["MetricName"], dimensions), []) if first <= minute < last]
        if not values:
            return None
        return {"Sum": sum, "Maximum": max}[stat](values)

    def point(self, alarm, first, last):
        if "Metrics" not in alarm:
            return self.statistic(alarm["Statistic"], alarm, first, last)
        (expression,) = [each["Expression"] for each in alarm["Metrics"] if "Expression" in each]
        assert expression == "SUM(FILL(METRICS(), 0))", expression
        stats = [each["MetricStat"] for each in alarm["Metrics"] if "MetricStat" in each]
        points = [self.statistic(stat["Stat"], stat["Metric"], first, last) for stat in stats]
        return sum(point or 0 for point in points) if any(point is not None for point in points) else None

    def breaches(self, alarm, first, last):
        point = self.point(alarm, first, last)
        if point is None:
            return {"breaching": True, "notBreaching": False}[alarm["TreatMissingData"]]
        return {"GreaterThanOrEqualToThreshold": point >= alarm["Threshold"], "LessThanThreshold": point < alarm["Threshold"]}[alarm["ComparisonOperator"]]

    def rings_at(self, alarm, until):
        """The first minute at whose end it rings; none if it does not until then."""
        seconds = alarm.get("Period") or next(each["MetricStat"]["Period"] for each in alarm["Metrics"] if "MetricStat" in each)
        period, count = seconds // 60, alarm["EvaluationPeriods"]
        needed = alarm.get("DatapointsToAlarm", count)
        breaching = []
        for first in range(0, until, period):
            breaching.append(self.breaches(alarm, first, first + period))
            if sum(breaching[-count:]) >= needed:
                return first + period
        return None


class Alarms(unittest.TestCase):
    def setUp(self):
        self.template = Template()
        self.alarms = {each["AlarmName"].removeprefix("mayfly-"): each for each in self.template.of_type("AWS::CloudWatch::Alarm").values()}
        self.lines = {case["cause"]: (case["log"], case["line"]) for case in cases()}

    def metrics(self):
        return Metrics(self.template)

    def good_day(self):
        metrics = self.metrics()
        for cause, minutes in GOOD_DAY.items():
            for minute in minutes:
                metrics.log(minute, *self.lines[cause])
        # Lambda counts each invocation: one of a function's fails now and then, and is repeated.
        for function in self.template.functions():
            for minute in range(0, 1440):
                failed = 1 if (minute, function) in ((30, "Observer"), (620, "Scaler")) else 0
                metrics.put(minute, LAMBDA, "Errors", frozenset({("FunctionName", f"<{function}>")}), failed)
        queue = frozenset({("QueueName", "<WakeQueue.QueueName>")})
        for minute in range(0, 1440):
            metrics.put(minute, "AWS/SQS", "ApproximateAgeOfOldestMessage", queue, 150 if minute == 620 else 2)
        return metrics

    def test_no_alarm_rings_on_a_good_day(self):
        metrics = self.good_day()
        ringing = {name: metrics.rings_at(alarm, 1440) for name, alarm in self.alarms.items()}
        self.assertEqual({name: at for name, at in ringing.items() if at is not None}, {})

    def test_each_alarm_rings_in_time_for_what_it_is_there_for(self):
        for name, (cause, every, within) in RINGS.items():
            metrics = self.metrics()
            for minute in range(1, 60, every):
                metrics.log(minute, *self.lines[cause])
            at = metrics.rings_at(self.alarms[name], 60)
            self.assertTrue(at is not None and at <= within, f"{name}: rings at {at}, {cause} every {every} min")

    def test_a_function_that_dies_rings_whichever_it_is(self):
        for function in self.template.functions():
            metrics = self.metrics()
            for minute in range(0, 30, 2):
                metrics.put(minute, LAMBDA, "Errors", frozenset({("FunctionName", f"<{function}>")}), 1)
            at = metrics.rings_at(self.alarms["function-errors"], 30)
            self.assertTrue(at is not None and at <= 15, (function, at))

    def test_a_sweeper_that_stops_and_a_queue_that_fills_ring(self):
        metrics = self.metrics()
        for minute in range(0, 20):
            metrics.log(minute, *self.lines["a sweep comes to its end"])
        self.assertEqual(metrics.rings_at(self.alarms["sweeper-heartbeat"], 60), 25)
        queue = frozenset({("QueueName", "<WakeQueue.QueueName>")})
        for minute in range(0, 10):
            metrics.put(minute, "AWS/SQS", "ApproximateAgeOfOldestMessage", queue, 130 + minute)
        self.assertEqual(metrics.rings_at(self.alarms["wake-queue-age"], 10), 3)

    def test_every_alarm_is_tried(self):
        self.assertEqual({*RINGS, "function-errors", "sweeper-heartbeat", "wake-queue-age"}, set(self.alarms))

    def test_a_line_makes_the_metrics_that_are_said_of_it(self):
        metrics = self.metrics()
        for number, case in enumerate(cases(), 1):
            counted = {name for namespace, name, _, _ in metrics.of_line(case["log"], case["line"])}
            self.assertEqual(counted, set(case["counts"]), f"line {number}: {case['cause']}")
            self.assertEqual({namespace for namespace, *_ in metrics.of_line(case["log"], case["line"])} - {NAMESPACE}, set(), case["cause"])

    def test_each_alarm_says_what_to_do_and_where_that_is_written(self):
        operations = (REPOSITORY / "docs" / "OPERATIONS.md").read_text()
        for name, alarm in self.alarms.items():
            text = alarm["AlarmDescription"]
            self.assertLessEqual(len(text), 1024, name)
            self.assertTrue(text.endswith(f": docs/OPERATIONS.md#alarm-{name}"), text)
            self.assertIn(f"### Alarm {name}\n", operations)
        sections = set(re.findall(r"^### Alarm (.*)$", operations, re.MULTILINE))
        self.assertEqual(sections, set(self.alarms))

    def test_each_alarm_is_sent_to_the_topic(self):
        topic = "arn:aws:sns:eu-west-1:123456789012:alarms"
        for name, alarm in Template(AlarmTopicArn=topic).of_type("AWS::CloudWatch::Alarm").items():
            self.assertEqual((alarm["AlarmActions"], alarm["OKActions"]), ([topic], [topic]), name)


if __name__ == "__main__":
    unittest.main()
