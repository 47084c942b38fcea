"""What must hold of the template beyond what cfn-lint knows."""

import fnmatch
import json
import re
import tomllib
import unittest

from template import PATH, REPOSITORY, Template, listed, written

KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
ROLES = {f"{function}Role": function for function in ("Webhook", "Scaler", "Registrar", "Observer", "Sweeper", "Dashboard")}


def walk(node, path=()):
    """Every key of a tree with its value."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield (*path, key), value
            yield from walk(value, (*path, key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from walk(value, (*path, number))


class Creation(unittest.TestCase):
    """A first deployment that fails is rolled back whole, and can be repeated."""

    def test_nothing_refuses_its_own_deletion_while_the_stack_is_created(self):
        found = [path for path, value in walk(Template().resources) if re.search("(Deletion|Termination)Protect", str(path[-1])) and value not in (False, "false")]
        self.assertEqual(found, [])

    def test_nothing_outlives_a_creation_that_failed(self):
        # `Retain` does, `RetainExceptOnCreate` does not; of what keeps data, CloudFormation's own default is to delete.
        kept = {name: each.get("DeletionPolicy") for name, each in Template().resources.items() if "DeletionPolicy" in each}
        self.assertNotIn("Retain", kept.values())
        self.assertEqual([name for name, policy in kept.items() if policy != "Delete"], ["Ledger"])

    def test_protection_can_be_switched_on_by_a_parameter(self):
        ledger = Template(DeletionProtection="true").resources["Ledger"]
        self.assertEqual((ledger["Properties"]["DeletionProtectionEnabled"], ledger["DeletionPolicy"]), (True, "RetainExceptOnCreate"))


class Loops(unittest.TestCase):
    """Lambda stops a function that seems to call itself by way of its queue, unless that is allowed."""

    def test_a_function_that_wakes_itself_says_that_it_may(self):
        template, wakes_itself = Template(), []
        for name, function in template.functions().items():
            queues = [event["Properties"]["Queue"] for event in function.get("Events", {}).values() if event["Type"] == "SQS"]
            role = re.fullmatch(r"<(\w+)\.Arn>", function["Role"]).group(1)
            sends = {queue for statement in template.statements(role) if "sqs:SendMessage" in listed(statement["Action"]) for queue in listed(statement["Resource"])}
            if sends.intersection(queues):
                wakes_itself.append(name)
                self.assertEqual(function.get("RecursiveLoop"), "Allow", name)
        self.assertEqual(wakes_itself, ["Scaler"])


class Version(unittest.TestCase):
    """The command compares the stack's version with its own: a release that forgets one of them would warn for ever, or never."""

    def test_the_stack_says_the_version_of_the_workspace(self):
        says = json.loads(Template().resources["Deployment"]["Properties"]["Value"])["version"]
        workspace = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["workspace"]["package"]["version"]
        self.assertEqual(says, workspace, "infra/template.yaml, Deployment: write the version of Cargo.toml there")

    def test_every_program_has_the_version_of_the_workspace(self):
        manifests = [path for path in REPOSITORY.glob("*/**/Cargo.toml") if "target" not in path.parts and ".venv" not in path.parts]
        own = [str(path) for path in manifests if tomllib.loads(path.read_text()).get("package", {}).get("version") != {"workspace": True}]
        self.assertEqual((own, len(manifests) > 10), ([], True))


class Grants(unittest.TestCase):
    """Roles may do what their programs do."""

    def test_images_are_pulled_from_any_account_and_region(self):
        statements = Template().statements("ExecutionRole")
        pulls = next(statement for statement in statements if "ecr:BatchGetImage" in listed(statement["Action"]))
        # As AWS's AmazonECSTaskExecutionRolePolicy has it.
        self.assertEqual(set(listed(pulls["Action"])), {"ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"})
        self.assertEqual(pulls["Resource"], "*")
        self.assertTrue(any(listed(statement["Action"]) == ["ecr:GetAuthorizationToken"] and statement["Resource"] == "*" for statement in statements))

    def test_every_action_of_a_function_is_one_that_the_code_calls(self):
        sources = [path.read_text() for folder in ("crates", "functions") for path in (REPOSITORY / folder).rglob("src/**/*.rs")]
        by_lambda = {"ReceiveMessage", "DeleteMessage", "GetQueueAttributes"}  # The event source mapping's, in scaler's name.
        without_call = {"PassRole", "TagResource"}  # Checked by ECS at RunTask and RegisterTaskDefinition.
        # Transactions have no permissions of their own: each of their actions needs its own. A read is a Get, a write a Put or a Delete.
        in_transactions = {"PutItem": "Put::builder", "DeleteItem": "Delete::builder"}
        for role in ROLES:
            for statement in Template().statements(role):
                for action in listed(statement["Action"]):
                    service, name = action.split(":")
                    if service in ("logs", "kms") or name in by_lambda | without_call:
                        continue
                    method = f".{re.sub('(?<!^)(?=[A-Z])', '_', name).lower()}()"
                    called = any(method in source or in_transactions.get(name, method) in source for source in sources)
                    self.assertTrue(called, f"{role} may {action}, which nothing calls")

    def test_only_who_asks_about_tasks_may_describe_them(self):
        allowed = [role for role in ROLES if any("ecs:DescribeTasks" in listed(statement["Action"]) for statement in Template().statements(role))]
        self.assertEqual(allowed, ["RegistrarRole", "SweeperRole"])

    def test_every_function_s_role_is_held_to_these_rules(self):
        self.assertEqual({f"<{role}.Arn>" for role in ROLES}, {function["Role"] for function in Template().functions().values()})

    def test_dashboard_reads_the_ledger_and_the_pools_file_and_nothing_else(self):
        for template in (Template(), Template(KmsKeyArn=KEY)):
            actions = {action for statement in template.statements("DashboardRole") for action in listed(statement["Action"])}
            reads = {"dynamodb:GetItem", "dynamodb:Query", "ssm:GetParameters"}
            by_aws = {"logs:CreateLogStream", "logs:PutLogEvents", "kms:Decrypt", "kms:DescribeKey"}
            self.assertEqual((actions - by_aws, actions - reads <= by_aws), (reads, True))
            parameters = [name for statement in template.statements("DashboardRole") if "ssm:GetParameters" in listed(statement["Action"]) for name in listed(statement["Resource"])]
            self.assertEqual({name.split(":parameter")[1] for name in parameters}, {"/mayfly/mayfly/pools", "/mayfly/mayfly/pools:*"})

    def test_only_people_invoke_dashboard(self):
        template = Template()
        # A permission for a service, a URL, or an event would let others in.
        self.assertNotIn("<Dashboard>", [each["FunctionName"] for each in template.of_type("AWS::Lambda::Permission").values()])
        self.assertEqual(template.of_type("AWS::Lambda::Url"), {})
        self.assertFalse({"Events", "FunctionUrlConfig"} & set(template.functions()["Dashboard"]))
        able = {}
        for name, each in template.of_type("AWS::IAM::ManagedPolicy").items():
            for statement in each["PolicyDocument"]["Statement"]:
                if "lambda:InvokeFunction" in listed(statement["Action"]):
                    able[name] = statement["Resource"]
        self.assertEqual(able, {"ViewerPolicy": "<Dashboard.Arn>", "OperatorPolicy": "<Dashboard.Arn>"})

    def test_no_other_stack_s_definitions_are_run(self):
        template = Template()
        doctor = template.resources["DoctorPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        for statements in (template.statements("ScalerRole"), doctor):
            run = next(statement for statement in statements if listed(statement["Action"]) == ["ecs:RunTask"])
            tag = next(statement for statement in statements if listed(statement["Action"]) == ["ecs:TagResource"])
            for family, ours in (("mayfly-x64-0123456789ab", True), ("mayfly-arm64-0123456789ab", True), ("mayfly-dev-x64-0123456789ab", False)):
                arn = f"arn:aws:ecs:eu-west-1:123456789012:task-definition/{family}:7"
                for statement in (run, tag):
                    matched = any(fnmatch.fnmatchcase(arn, pattern) for pattern in listed(statement["Resource"]))
                    self.assertEqual(matched, ours, family)

    def test_no_policy_has_a_wildcard_for_an_action(self):
        statements = [value for path, value in walk(Template(KmsKeyArn=KEY).resources) if path[-1] == "Action"]
        self.assertEqual([action for each in statements for action in listed(each) if "*" in action], [])


class Archive(unittest.TestCase):
    """Closed records go to a bucket that the parameter names; without it there is nothing of an archive."""

    def test_without_a_bucket_there_is_no_grant_no_variable_and_no_table(self):
        template = Template()
        actions = {action for statement in template.statements("SweeperRole") for action in listed(statement["Action"])}
        self.assertEqual([action for action in actions if action.startswith("s3:")], [])
        resources = [resource for statement in template.statements("SweeperRole") for resource in listed(statement["Resource"])]
        self.assertEqual([resource for resource in resources if "/index/" in resource], [])
        self.assertEqual([name for name, each in template.resources.items() if each["Type"].startswith("AWS::Glue")], [])
        self.assertNotIn("MAYFLY_ARCHIVE_BUCKET", template.functions()["Sweeper"]["Environment"]["Variables"])

    def test_with_a_bucket_sweeper_alone_may_store_under_the_stack_s_name_and_nothing_more(self):
        without, template = Template(), Template(ArchiveBucket="acme-archive")
        for role in ROLES:
            more = [statement for statement in template.statements(role) if statement not in without.statements(role)]
            if role != "SweeperRole":
                self.assertEqual(more, [], role)
                continue
            query, put = more
            self.assertEqual((listed(query["Action"]), query["Resource"]), (["dynamodb:Query"], "<Ledger.Arn>/index/closed-by-day"))
            self.assertEqual(listed(put["Action"]), ["s3:PutObject"])
            self.assertRegex(put["Resource"], r"^arn:aws:s3:::acme-archive/mayfly/\*$")
            self.assertEqual(put["Condition"]["StringEqualsIfExists"].keys(), {"aws:ResourceAccount"})
        self.assertEqual(template.functions()["Sweeper"]["Environment"]["Variables"]["MAYFLY_ARCHIVE_BUCKET"], "acme-archive")

    def test_athena_finds_a_day_where_sweeper_stores_it(self):
        template = Template(ArchiveBucket="acme-archive")
        source = (REPOSITORY / "functions" / "sweeper" / "src" / "archive.rs").read_text()
        written = re.search(r'format!\("\{prefix\}/\{kind\}/day=\{day\}/part-', source)
        self.assertTrue(written, "sweeper's keys have another form: change the tables with them")
        tables = template.of_type("AWS::Glue::Table")
        self.assertEqual(len(tables), 2)
        for table in (each["TableInput"] for each in tables.values()):
            location = f"s3://acme-archive/mayfly/{table['Name']}/"
            self.assertIn(f'("{table["Name"]}", part.{table["Name"]})', source)
            self.assertEqual(table["StorageDescriptor"]["Location"], location)
            self.assertEqual(table["Parameters"]["storage.location.template"], location + "day=${day}")
            self.assertEqual(table["PartitionKeys"], [{"Name": "day", "Type": "string"}])

    def test_every_column_is_a_field_of_the_record(self):
        model = REPOSITORY / "crates" / "domain" / "src" / "model"
        records = {"jobs": (model / "job.rs", "JobRecord"), "runners": (model / "runner.rs", "Runner")}
        for table in (each["TableInput"] for each in Template(ArchiveBucket="acme-archive").of_type("AWS::Glue::Table").values()):
            path, record = records[table["Name"]]
            body = re.search(rf"pub struct {record} \{{(.*?)^\}}", path.read_text(), re.DOTALL | re.MULTILINE).group(1)
            fields = set(re.findall(r"^    pub (\w+):", body, re.MULTILINE)) | set(re.findall(r'rename = "(\w+)"', body))
            self.assertEqual([column["Name"] for column in table["StorageDescriptor"]["Columns"] if column["Name"] not in fields], [])

    def test_a_name_that_s3_s_certificate_does_not_cover_is_refused(self):
        pattern = written()["Parameters"]["ArchiveBucket"]["AllowedPattern"]
        for name, fits in (("", True), ("acme-archive", True), ("acme.archive", False), ("Acme", False), ("a", False), ("-acme", False), ("a" * 64, False)):
            self.assertEqual(bool(re.fullmatch(pattern, name)), fits, name)


class Keys(unittest.TestCase):
    """With a KMS key of one's own, all that can be encrypted under it is; without one, nothing names a key."""

    def test_everything_that_keeps_data_is_encrypted_under_it(self):
        template = Template(KmsKeyArn=KEY)
        groups = template.of_type("AWS::Logs::LogGroup")
        self.assertEqual(len(groups), 8)
        self.assertEqual({group.get("KmsKeyId") for group in groups.values()}, {KEY})
        self.assertEqual(template.resources["Ledger"]["Properties"]["SSESpecification"], {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY})
        queue = template.resources["WakeQueue"]["Properties"]
        self.assertEqual((queue.get("KmsMasterKeyId"), queue.get("SqsManagedSseEnabled")), (KEY, None))
        self.assertEqual(deployment(template)["kms_key"], KEY)

    def test_those_who_use_it_may_and_only_by_way_of_the_service(self):
        template = Template(KmsKeyArn=KEY)
        by = {}
        for role in ROLES:
            for statement in template.statements(role):
                if statement.get("Resource") == KEY:
                    for service in listed(statement["Condition"]["StringEquals"]["kms:ViaService"]):
                        by.setdefault(service, set()).add(role)
        self.assertEqual(by["ssm.eu-west-1.amazonaws.com"], {"WebhookRole", "RegistrarRole", "SweeperRole"})
        self.assertEqual(by["dynamodb.eu-west-1.amazonaws.com"], set(ROLES))
        self.assertEqual(by["sqs.eu-west-1.amazonaws.com"], set(ROLES) - {"DashboardRole"})
        for policy in ("ViewerPolicy", "OperatorPolicy", "SecretsPolicy"):
            statements = template.resources[policy]["Properties"]["PolicyDocument"]["Statement"]
            self.assertTrue(any(statement["Resource"] == KEY for statement in statements), policy)

    def test_without_one_nothing_names_a_key(self):
        template = Template()
        named = [path for path, value in walk(template.resources) if re.search("(?i)kms", f"{path[-1]} {value if isinstance(value, str) else ''}")]
        self.assertEqual([path for path in named if path[0] != "Deployment"], [])
        self.assertTrue(template.resources["WakeQueue"]["Properties"]["SqsManagedSseEnabled"])
        self.assertEqual(deployment(template)["kms_key"], "")


class Network(unittest.TestCase):
    def test_a_security_group_of_one_s_own_takes_the_place_of_the_stack_s(self):
        own, made = Template(SecurityGroupId="sg-0123456789abcdef0"), Template()
        self.assertNotIn("RunnerSecurityGroup", own.resources)
        self.assertIn("RunnerSecurityGroup", made.resources)
        for template, group in ((own, "sg-0123456789abcdef0"), (made, "<RunnerSecurityGroup.GroupId>")):
            variables = template.functions()["Scaler"]["Environment"]["Variables"]
            self.assertEqual((variables["MAYFLY_SECURITY_GROUPS"], deployment(template)["security_group"]), (group, group))


class Alarms(unittest.TestCase):
    """People hear of what they have to act on, and of nothing else."""

    def setUp(self):
        self.template = Template()
        self.alarms = self.template.of_type("AWS::CloudWatch::Alarm")
        self.filters = self.template.of_type("AWS::Logs::MetricFilter")

    def metrics(self, alarm):
        """(namespace, name, dimensions) of each metric that an alarm looks at."""
        if "Metrics" in alarm:
            found = [each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each]
        else:
            found = [alarm]
        return [(each["Namespace"], each["MetricName"], {one["Name"]: one["Value"] for one in each.get("Dimensions", [])}) for each in found]

    def test_each_function_has_an_alarm_that_its_silent_death_reaches(self):
        # What dies without a word of its own is counted by Lambda alone.
        heard = {dimensions.get("FunctionName") for alarm in self.alarms.values() for namespace, name, dimensions in self.metrics(alarm) if (namespace, name) == ("AWS/Lambda", "Errors")}
        self.assertEqual(heard, {f"<{name}>" for name in self.template.functions()})

    def test_every_alarm_s_own_metric_is_counted_and_every_count_has_an_alarm(self):
        counted = {(one["MetricNamespace"], one["MetricName"]) for each in self.filters.values() for one in each["MetricTransformations"]}
        watched = {(namespace, name) for alarm in self.alarms.values() for namespace, name, _ in self.metrics(alarm) if not namespace.startswith("AWS/")}
        # What no filter counts is a field of a line: test_metrics.py.
        self.assertEqual(counted - watched, set())
        self.assertEqual(len({namespace for namespace, _ in counted | watched}), 1)

    def test_every_route_s_throttled_requests_are_counted(self):
        routes = {each["RouteKey"] for each in self.template.of_type("AWS::ApiGatewayV2::Route").values()}
        for route in routes:
            line = {"route": route, "status": "429"}
            hits = [each["MetricTransformations"][0]["MetricName"] for each in self.filters.values() if matches(each["FilterPattern"], line)]
            self.assertEqual(hits, ["throttled_requests"], route)
        self.assertEqual(self.template.resources["Stage"]["Properties"]["RouteSettings"].keys(), routes)

    def test_no_job_can_guess_where_alarms_look(self):
        # A container's output is a log that CloudWatch makes metrics of (embedded metric format), of any namespace that it names. The stack's name is
        # known to every job; its id is not.
        secret = "6f0f3c60-9d0a-11f0-a5b5-0affd5a1b2c3"
        for alarm in self.alarms.values():
            for namespace, name, _ in self.metrics(alarm):
                self.assertTrue(namespace.startswith("AWS/") or secret in namespace, (namespace, name))
        # Functions know it by one variable, and only what makes their own log lines reads that: no task is given it.
        scaler = self.template.functions()["Scaler"]["Environment"]["Variables"]
        self.assertEqual([name for name, value in scaler.items() if secret in json.dumps(value)], [])
        variables = {name: value for name, value in self.template.value(self.template.raw["Globals"]).get("Function", {})["Environment"]["Variables"].items() if secret in str(value)}
        self.assertEqual(list(variables), ["MAYFLY_METRICS_NAMESPACE"])
        sources = [path for folder in ("crates", "functions") for path in (REPOSITORY / folder).rglob("src/**/*.rs")]
        self.assertEqual([path.name for path in sources if "MAYFLY_METRICS_NAMESPACE" in path.read_text()], ["log.rs"])

    def test_one_bad_moment_rings_nothing(self):
        for name, alarm in self.alarms.items():
            lasting = alarm["Period"] * alarm["EvaluationPeriods"] if "Period" in alarm else 300 * alarm["EvaluationPeriods"]
            needed = alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])
            # One period of silence is five sweeps that did not come to an end. What is logged at ERROR is no passing moment, and may be logged once:
            # tests/log-lines.jsonl here, and `logs` among the system's stories.
            self.assertTrue(needed >= 2 or name in ("SweeperHeartbeat", "ActionRequired", "SettingsBroken", "RunnerVersion"), name)
            self.assertGreaterEqual(lasting, 180, name)

    def test_doctor_knows_every_alarm(self):
        source = (REPOSITORY / "cli/src/commands/doctor/alarms.rs").read_text()
        table = source[source.index("EXPECTED") : source.index("];", source.index("EXPECTED"))]
        known = set(re.findall(r'"([a-z0-9]+(?:-[a-z0-9]+)+)",', table))
        self.assertEqual({alarm["AlarmName"].removeprefix("mayfly-") for alarm in self.alarms.values()}, known)


def matches(pattern, line):
    """A filter pattern of the form { $.a = "x" && $.b = "5*" }.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html"""
    inner = re.fullmatch(r"\{ (.*) \}", pattern).group(1)
    for term in inner.split(" && "):
        field, value = re.fullmatch(r'\$\.(\w+) = "([^"]*)"', term).groups()
        if not isinstance(line, dict) or not fnmatch.fnmatchcase(str(line.get(field)), value):
            return False
    return True


class Rest(unittest.TestCase):
    def test_tasks_make_no_metrics_that_are_paid_for(self):
        self.assertEqual(Template().resources["Cluster"]["Properties"]["ClusterSettings"], [{"Name": "containerInsights", "Value": "disabled"}])

    def test_access_logs_need_no_resource_policy(self):
        name = Template().resources["ApiLogs"]["Properties"]["LogGroupName"]
        self.assertTrue(name.startswith("/aws/vendedlogs/"), name)

    def test_where_the_deployment_is_reads_as_json(self):
        for template in (Template(), Template(KmsKeyArn=KEY, SecurityGroupId="sg-0123456789abcdef0")):
            self.assertLess(len(json.dumps(deployment(template))), 4096)

    def test_every_parameter_has_its_place_among_the_groups(self):
        raw = written()
        groups = raw["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        self.assertEqual(sorted(name for group in groups for name in group["Parameters"]), sorted(raw["Parameters"]))


def deployment(template):
    return json.loads(template.resources["Deployment"]["Properties"]["Value"])


if __name__ == "__main__":
    unittest.main()
