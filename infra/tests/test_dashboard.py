"""The dashboard by CloudWatch's rules, and its queries by what lines have.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html
"""

import json
import re
import unittest

import dashboard
from template import PATH, REPOSITORY, Template, listed
from test_metrics import listed as metrics

GRID = 24
KEYS = {
    "metric": ({"metrics", "region"}, {"title", "view", "period", "stacked", "yAxis", "annotations", "stat"}),
    "log": ({"query", "region"}, {"title", "view"}),
    "text": ({"markdown"}, set()),
    "alarm": ({"alarms"}, {"title"}),
    "custom": ({"endpoint"}, {"title", "params", "updateOn"}),
}
OPTIONS = {"expression", "id", "label", "region", "stat", "period", "yAxis"}
STATISTIC = re.compile(r"Sum|Maximum|Minimum|Average|SampleCount|p\d{1,2}(\.\d+)?")
# What Lambda and CloudWatch give every line.
GIVEN = {"message", "level", "target", "@timestamp", "error", "duration_ms", "exit_code", "outcome", "reason"}


class Dashboard(unittest.TestCase):
    def setUp(self):
        self.template = Template()
        (self.resource,) = self.template.of_type("AWS::CloudWatch::Dashboard").values()
        self.body = json.loads(self.resource["DashboardBody"])

    def test_the_template_has_what_the_program_writes(self):
        text = PATH.read_text()
        block = text[text.index(dashboard.BEGIN) : text.index(dashboard.END) + len(dashboard.END)]
        self.assertEqual(block, dashboard.block(), "run python3 infra/dashboard.py")

    def test_it_is_called_by_the_stack(self):
        self.assertEqual(self.resource["DashboardName"], "mayfly-mayfly")
        self.assertRegex(self.resource["DashboardName"], r"^[A-Za-z0-9_-]{1,255}$")

    def test_no_placeholder_is_left_in_it(self):
        left = set(re.findall(r"\$\{[^}]*\}", self.resource["DashboardBody"]))
        self.assertEqual(left, {"${PROP('Dim.pool')}", "${PROP('Dim.reason')}", "${PROP('Dim.outcome')}"})
        self.assertIn("Mayfly/mayfly/6f0f3c60", self.resource["DashboardBody"])

    def test_widgets_lie_on_the_grid_and_not_on_each_other(self):
        widgets = self.body["widgets"]
        self.assertTrue(10 < len(widgets) <= 500)
        taken = set()
        for widget in widgets:
            self.assertEqual(set(widget), {"type", "x", "y", "width", "height", "properties"})
            self.assertTrue(1 <= widget["width"] and widget["x"] + widget["width"] <= GRID and 1 <= widget["height"] <= 1000, widget)
            cells = {(x, y) for x in range(widget["x"], widget["x"] + widget["width"]) for y in range(widget["y"], widget["y"] + widget["height"])}
            self.assertEqual(cells & taken, set(), widget["properties"].get("title"))
            taken |= cells

    def test_widgets_have_the_properties_of_their_kind(self):
        for widget in self.body["widgets"]:
            required, optional = KEYS[widget["type"]]
            keys = set(widget["properties"])
            self.assertTrue(required <= keys <= required | optional, widget)
            self.assertLessEqual(len(widget["properties"].get("alarms", [])), 100)

    def test_metrics_and_their_mathematics_are_in_order(self):
        for widget in self.body["widgets"]:
            if widget["type"] != "metric":
                continue
            parts = widget["properties"]["metrics"]
            self.assertTrue(1 <= len(parts) <= 500)
            ids = [part[-1]["id"] for part in parts if isinstance(part[-1], dict) and "id" in part[-1]]
            self.assertEqual(len(ids), len(set(ids)), widget)
            for name in ids:
                self.assertRegex(name, r"^[a-z][a-zA-Z0-9_]*$")
            for part in parts:
                options = part[-1] if isinstance(part[-1], dict) else {}
                self.assertLessEqual(set(options), OPTIONS)
                self.assertEqual(options["region"], "eu-west-1")
                if "expression" in options:
                    self.assertEqual(len(part), 1)
                    self.expression(options["expression"], ids)
                else:
                    # Namespace, metric, and pairs of a dimension's name and value.
                    self.assertTrue(len(part) >= 3 and len(part) % 2 == 1 and all(isinstance(each, str) for each in part[:-1]), part)
                    self.assertTrue(STATISTIC.fullmatch(options["stat"]), options)

    def expression(self, text, ids):
        search = re.fullmatch(r"SEARCH\('\{\"Mayfly/[^\"]+\",[\w,]+\} MetricName=\"(\w+)\"', '([\w.]+)', (\d+)\)", text)
        quota = re.fullmatch(r"SERVICE_QUOTA\((\w+)\)", text)
        self.assertTrue(search or quota, text)
        if search:
            # A query has 1,024 characters at most, a period is a multiple of a minute.
            self.assertTrue(len(text) <= 1024 and STATISTIC.fullmatch(search.group(2)) and int(search.group(3)) % 60 == 0, text)
        else:
            self.assertIn(quota.group(1), ids)

    def test_the_widget_is_drawn_by_the_function_of_this_stack_whenever_the_dashboard_changes(self):
        (widget,) = [each for each in self.body["widgets"] if each["type"] == "custom"]
        self.assertEqual(widget["properties"]["endpoint"], "<Dashboard.Arn>")
        self.assertEqual(widget["properties"]["updateOn"], {"refresh": True, "resize": True, "timeRange": True})

    def test_every_alarm_is_on_it(self):
        (widget,) = [each for each in self.body["widgets"] if each["type"] == "alarm"]
        names = [arn.rsplit(":", 1)[1] for arn in widget["properties"]["alarms"]]
        self.assertEqual(sorted(names), sorted(each["AlarmName"] for each in self.template.of_type("AWS::CloudWatch::Alarm").values()))

    def test_the_local_stack_is_deployed_without_what_its_emulator_does_not_know(self):
        local = Template(AwsEndpoint="http://127.0.0.1:4566")
        kinds = ("AWS::CloudWatch::Dashboard", "AWS::Logs::QueryDefinition")
        self.assertEqual([local.of_type(kind) for kind in kinds], [{}, {}])


class Queries(unittest.TestCase):
    def test_each_is_saved_under_its_name_over_its_logs(self):
        saved = {each["Name"]: each for each in Template().of_type("AWS::Logs::QueryDefinition").values()}
        self.assertEqual(set(saved), {f"mayfly-mayfly/{name}" for name in dashboard.QUERIES})
        for name, (functions, query) in dashboard.QUERIES.items():
            each = saved[f"mayfly-mayfly/{name}"]
            self.assertEqual(each["LogGroupNames"], [f"<{function.capitalize()}Logs>" for function in functions])
            self.assertEqual(each["QueryString"], query)
            self.assertTrue(len(query) <= 10_000 and len(functions) <= 50)

    def test_they_ask_for_fields_that_lines_have(self):
        sources = "\n".join(path.read_text() for folder in ("crates", "functions") for path in (REPOSITORY / folder).rglob("src/**/*.rs"))
        for name, (_, query) in dashboard.QUERIES.items():
            for field in re.findall(r"`([a-z_.]+)`", query):
                self.assertRegex(sources, rf"\b{re.escape(field)} = |\b{re.escape(field)},", f"{name}: {field}")
            known = GIVEN | set(metrics())
            named = set(re.findall(r"\b(?:\w+_(?:seconds|dollars|limits|duration_seconds)|outcome|reason|level|target|message)\b", query))
            self.assertEqual(named - known, set(), name)

    def test_a_query_is_made_of_commands_of_logs_insights(self):
        for name, (_, query) in dashboard.QUERIES.items():
            commands = [part.split()[0] for part in query.split("\n| ")]
            self.assertEqual(set(commands) - {"filter", "stats", "sort", "limit", "display"}, set(), name)
            self.assertEqual((query.count("("), query.count("`") % 2), (query.count(")"), 0), name)


if __name__ == "__main__":
    unittest.main()
