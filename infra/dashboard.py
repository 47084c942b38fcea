"""The CloudWatch dashboard and the saved queries of a stack, as the template has them.

    python3 infra/dashboard.py

writes them into infra/template.yaml, between the lines that begin and end them. A dashboard's body is JSON in one string, which no one should have to
edit in YAML; infra/tests/test_dashboard.py holds the template to what this makes, and to CloudWatch's rules.

Source of the form: "Dashboard body structure and syntax"
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html).
"""

import json
import pathlib

TEMPLATE = pathlib.Path(__file__).resolve().parent / "template.yaml"
BEGIN = "  # ---------------------------------------------------------------- the dashboard and saved queries: python3 infra/dashboard.py writes them\n"
END = "  # ---------------------------------------------------------------- end of what infra/dashboard.py writes\n"

REGION, STACK, NAMESPACE = "${AWS::Region}", "${AWS::StackName}", "${Namespace}"
FUNCTIONS = ("webhook", "scaler", "registrar", "observer", "sweeper", "dashboard")
# The alarms in the order in which someone should look at them.
ALARMS = (
    "oldest-waiting-job", "breaker-open", "wrong-webhook-secret", "settings-broken", "action-required", "function-errors",
    "sweeper-heartbeat", "wake-queue-age", "webhook-5xx", "throttled-requests", "github-limit", "runner-version",
)
HOLDS = ("pool_max", "repository_max", "github_limit", "failed_starts", "unverified", "not_assigned", "refused", "no_answer", "job")
PHASES = ("delivery", "plan", "launch", "provisioning", "image_pull", "container_start", "boot", "registration", "assignment")
# Lines that runners' ends leave, whichever function wrote them down.
ENDS = ("scaler", "observer", "sweeper")

# Name: (functions whose logs are read, query).
QUERIES = {
    "why jobs wait": (
        ("scaler",),
        "filter message = 'planned'\n| stats "
        + ", ".join(f"max(`held.{hold}`) as {hold}" for hold in HOLDS)
        + " by `pool.name`, bin(5m) as time\n| sort time desc\n| limit 50",
    ),
    "phases of the wait": (
        ("webhook",),
        "filter ispresent(gha_job_startup_duration_seconds)\n| stats count() as jobs, pct(gha_job_startup_duration_seconds, 50) as p50, "
        "pct(gha_job_startup_duration_seconds, 95) as p95, "
        + ", ".join(f"avg(wait_{phase}_seconds) as {phase}" for phase in PHASES)
        + " by `pool.name`",
    ),
    "jobs that waited longest": (
        ("webhook",),
        "filter ispresent(gha_job_startup_duration_seconds)\n| sort gha_job_startup_duration_seconds desc\n| display @timestamp, `job.id`, `repository.name`, "
        "`pool.name`, gha_job_startup_duration_seconds, wait_plan_seconds, wait_provisioning_seconds, wait_image_pull_seconds\n| limit 20",
    ),
    "what GitHub was asked": (
        ("registrar", "sweeper"),
        "filter message = 'asked GitHub'\n| stats count() as calls, sum(github_limits) as limited, min(`github.rate_remaining`) as left, avg(duration_ms) as ms by `github.call`\n| sort calls desc",
    ),
    "runners that failed": (
        ENDS,
        "filter message like /^runner ended/ and outcome not in ['ran', 'surplus']\n| sort @timestamp desc\n| display @timestamp, `pool.name`, outcome, reason, exit_code, "
        "`repository.name`, message\n| limit 20",
    ),
    "how jobs ended": (
        ("webhook",),
        "filter ispresent(`job.conclusion`)\n| stats count_distinct(`job.id`) as jobs by `job.conclusion`, `pool.name`\n| sort jobs desc",
    ),
    "what it costs and for whom": (
        ENDS,
        "filter message like /^runner ended/\n| stats sum(runner_cost_dollars) as dollars, sum(runner_waste_dollars) as waste, count() as runners, "
        "sum(gha_job_execution_duration_seconds) / 3600 as hours by `repository.name`\n| sort dollars desc\n| limit 30",
    ),
    "what a person has to act on": (
        FUNCTIONS,
        "filter level = 'ERROR' and target like /^mayfly/\n| sort @timestamp desc\n| display @timestamp, `pool.name`, message, error\n| limit 20",
    ),
}


def group(function):
    return f"/aws/lambda/{STACK}-{function}"


def search(metric, statistic, period=300, dimensions="pool"):
    """The metric of every pool, of those that come later, too."""
    quoted = f"SEARCH('{{\"{NAMESPACE}\",{dimensions}}} MetricName=\"{metric}\"', '{statistic}', {period})"
    return [{"expression": quoted, "id": f"{metric}_{statistic.lower().replace('.', '_')}", "label": "${!PROP('Dim.pool')}", "region": REGION}]


def own(metric, statistic, **options):
    return [NAMESPACE, metric, {"stat": statistic, "region": REGION, **options}]


def graph(title, metrics, width=8, height=6, **options):
    properties = {"title": title, "metrics": metrics, "view": "timeSeries", "region": REGION, "period": 300, "stacked": False, **options}
    return {"type": "metric", "width": width, "height": height, "properties": properties}


def table(name, width, height=7):
    functions, query = QUERIES[name]
    sources = " | ".join(f"SOURCE '{group(function)}'" for function in functions)
    title = name[0].upper() + name[1:]
    return {"type": "log", "width": width, "height": height, "properties": {"title": title, "query": f"{sources} | {query}", "view": "table", "region": REGION}}


def custom(function, title, width, height):
    """What a function draws, whenever the dashboard is refreshed.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard.html"""
    properties = {"title": title, "endpoint": f"${{{function.capitalize()}.Arn}}", "updateOn": {"refresh": True, "resize": True, "timeRange": True}}
    return {"type": "custom", "width": width, "height": height, "properties": properties}


def text(markdown, height=1):
    return {"type": "text", "width": 24, "height": height, "properties": {"markdown": markdown}}


def sections():
    """A row of widgets to a line; each question begins with its title."""
    errors = [["AWS/Lambda", "Errors", "FunctionName", f"{STACK}-{function}", {"stat": "Sum", "region": REGION}] for function in FUNCTIONS]
    usage = ["AWS/Usage", "ResourceCount", "Service", "Fargate", "Type", "Resource", "Resource", "vCPU", "Class"]
    alarms = [f"arn:${{AWS::Partition}}:cloudwatch:{REGION}:${{AWS::AccountId}}:alarm:{STACK}-{name}" for name in ALARMS]
    seconds = {"yAxis": {"left": {"min": 0, "label": "seconds", "showUnits": False}}}
    return [
        [text(f"# Mayfly: {STACK}\nMetrics that are sent at `[metrics] level = \"full\"` only are empty at `basic`; the tables have all of it at every level. `mayfly status` says more of what waits.", 2)],
        [text("## Is anything stuck, and why?")],
        [{"type": "alarm", "width": 24, "height": 3, "properties": {"title": "Alarms", "alarms": alarms}}],
        [
            graph("Waiting jobs", search("waiting_jobs", "Maximum")),
            graph("Longest wait now", [own("oldest_waiting_job_seconds", "Maximum", label="oldest waiting job")], annotations={"horizontal": [{"value": 1800, "label": "rings"}]}, **seconds),
            graph("Breakers", [own("open_breakers", "Maximum", label="open"), own("sweeps", "Sum", label="sweeps", yAxis="right")]),
        ],
        [table("why jobs wait", 24)],
        [custom("dashboard", "Runners and jobs now", 24, 16)],
        [text("## How long do jobs wait, and in which phase?")],
        [
            graph("Wait, median", search("gha_job_startup_duration_seconds", "p50"), **seconds),
            graph("Wait, 95th percentile", search("gha_job_startup_duration_seconds", "p95"), **seconds),
            graph("Phases, 95th percentile (full)", [part for phase in PHASES for part in [{**search(f"wait_{phase}_seconds", "p95")[0], "label": f"{phase} ${{!PROP('Dim.pool')}}"}]], **seconds),
        ],
        [table("phases of the wait", 24, 5)],
        [table("jobs that waited longest", 24)],
        [text("## Are we near a limit?")],
        [
            graph("Running jobs", search("gha_running_jobs", "Maximum")),
            graph("Starting runners (full)", search("starting_runners", "Maximum")),
            graph("Idle runners (full)", search("gha_idle_runners", "Maximum")),
        ],
        [
            graph(
                "vCPUs on Fargate, and the account's quota",
                [
                    [*usage, "Standard/OnDemand", {"stat": "Maximum", "region": REGION, "id": "on_demand", "label": "on demand"}],
                    [*usage, "Standard/Spot", {"stat": "Maximum", "region": REGION, "id": "spot", "label": "Spot"}],
                    [{"expression": "SERVICE_QUOTA(on_demand)", "id": "quota_on_demand", "label": "quota on demand", "region": REGION}],
                    [{"expression": "SERVICE_QUOTA(spot)", "id": "quota_spot", "label": "quota Spot", "region": REGION}],
                ],
            ),
            graph("Told to wait, or turned away", [own("github_limits", "Sum", label="GitHub's limit"), own("throttled_requests", "Sum", label="the API's limits (429)")]),
            table("what GitHub was asked", 8, 6),
        ],
        [text("## What fails?")],
        [
            graph("Failed starts", [{**search("failed_starts", "Sum", dimensions="pool,reason")[0], "label": "${!PROP('Dim.pool')} ${!PROP('Dim.reason')}"}]),
            graph("Runners, by how they ended (full)", [{**search("ended_runners", "Sum", dimensions="pool,outcome")[0], "label": "${!PROP('Dim.pool')} ${!PROP('Dim.outcome')}"}]),
            graph("Interrupted by AWS", [*search("interrupted_jobs", "Sum"), own("refused_runner_versions", "Sum", label="versions that GitHub refuses")]),
        ],
        [
            graph("Functions: errors", errors),
            graph("Deliveries", [
                ["AWS/ApiGateway", "Count", "ApiId", "${Api}", {"stat": "Sum", "region": REGION, "label": "requests"}],
                own("failed_deliveries", "Sum", label="answered 5xx"),
                own("wrong_signatures", "Sum", label="wrong signature (401)"),
                own("redelivered_deliveries", "Sum", label="asked for again"),
                own("recovered_jobs", "Sum", label="jobs found without one"),
            ]),
            graph("Lines that a person has to act on", [own("errors", "Sum", label="ERROR"), own("settings_problems", "Sum", label="settings")]),
        ],
        [table("runners that failed", 12), table("how jobs ended", 12)],
        [table("what a person has to act on", 24)],
        [text("## What does it cost, and for whom?")],
        [
            graph("Cost in dollars (full)", search("runner_cost_dollars", "Sum", 3600), period=3600),
            graph("Of that: start-up, and runners without a job (full)", search("runner_waste_dollars", "Sum", 3600), period=3600),
            graph("Run time, median (full)", search("gha_job_execution_duration_seconds", "p50"), **seconds),
        ],
        [table("what it costs and for whom", 24, 9)],
    ]


def body():
    widgets, y = [], 0
    for row in sections():
        x = 0
        for widget in row:
            if widget["type"] == "metric":
                # An expression stands in a list of its own, like a metric.
                metrics = [[part] if isinstance(part, dict) else part for part in widget["properties"]["metrics"]]
                widget["properties"]["metrics"] = metrics
            widgets.append({"x": x, "y": y, **widget})
            x += widget["width"]
        y += max(widget["height"] for widget in row)
    return {"start": "-PT6H", "periodOverride": "inherit", "widgets": widgets}


def block():
    lines = [BEGIN, "  # The local stack's emulator knows neither dashboards nor saved queries.\n\n", "  CloudwatchDashboard:\n", "    Type: AWS::CloudWatch::Dashboard\n", "    Condition: OnAws\n", "    Properties:\n"]
    lines += ["      DashboardName: !Sub mayfly-${AWS::StackName}\n", "      DashboardBody: !Sub\n", "        - |-\n"]
    widgets = body()
    shown = [json.dumps(widget, ensure_ascii=False) for widget in widgets.pop("widgets")]
    lines += [f"          {json.dumps(widgets)[:-1]}, \"widgets\": [\n", *(f"          {widget}{',' if widget is not shown[-1] else ''}\n" for widget in shown), "          ]}\n"]
    lines += ["        - Namespace: *namespace\n", "\n"]
    for name, (functions, query) in QUERIES.items():
        resource = "".join(word.capitalize() for word in name.split()) + "Query"
        lines += [f"  {resource}:\n", "    Type: AWS::Logs::QueryDefinition\n", "    Condition: OnAws\n", "    Properties:\n", f"      Name: !Sub mayfly-${{AWS::StackName}}/{name}\n"]
        groups = ", ".join(f"!Ref {function.capitalize()}Logs" for function in functions)
        lines += [f"      LogGroupNames: [{groups}]\n", "      QueryString: |-\n", *(f"        {line}\n" for line in query.split("\n")), "\n"]
    return "".join([*lines, END])


def main():
    template = TEMPLATE.read_text()
    before, _, rest = template.partition(BEGIN)
    _, _, after = rest.partition(END)
    TEMPLATE.write_text(before + block() + after)


if __name__ == "__main__":
    main()
