"""`make deploy` and `make undeploy`, with a `sam` that writes down what it is told and an AWS that answers from memory."""

import io
import json
import os
import pathlib
import platform
import re
import stat
import subprocess
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

import botocore.exceptions

import deploy
from template import REPOSITORY, written

SAM = """#!/usr/bin/env python3
import json, os, pathlib, sys
with open(os.environ["SAM_CALLS"], "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
sys.exit(int(os.environ.get("SAM_FAILS_AT", "") == sys.argv[1]))
"""
# cargo leaves an ELF file; its first twenty bytes tell the processor.
ELF = {name: b"\x7fELF" + bytes([2, 1, 1]) + bytes(9) + (2).to_bytes(2, "little") + machine.to_bytes(2, "little") for name, (_, machine) in deploy.MACHINES.items()}
FIRST = {"VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2"}


def client_error(code, message, operation="Operation"):
    return botocore.exceptions.ClientError({"Error": {"Code": code, "Message": message}}, operation)


class Paginator:
    def __init__(self, answer):
        self.answer = answer

    def paginate(self, **arguments):
        return [self.answer(**arguments)]


class Account:
    """As much of an AWS account as is asked for: one stack, its table, tasks and parameters."""

    def __init__(self, stack=None, **parameters):
        self.stack, self.values = stack, {name: str(value) for name, value in parameters.items()}
        self.calls, self.linked, self.pools, self.tasks, self.table = [], False, None, [], "protected"
        self.denied, self.held = set(), None

    def client(self, service):
        return self

    def noted(self, what):
        self.calls.append(what)
        if what in self.denied:
            raise client_error("AccessDenied", f"not authorized to perform {what}")

    # CloudFormation
    def describe_stacks(self, StackName):
        if self.stack is None:
            raise client_error("ValidationError", f"Stack with id {StackName} does not exist")
        values = [{"ParameterKey": key, "ParameterValue": value} for key, value in self.values.items()]
        return {"Stacks": [{"StackId": "arn:stack/1", "StackStatus": self.stack, "Parameters": values}]}

    def update_stack(self, StackName, UsePreviousTemplate, Parameters, Capabilities):
        self.noted("update_stack")
        assert UsePreviousTemplate and "CAPABILITY_AUTO_EXPAND" in Capabilities
        assert {each["ParameterKey"] for each in Parameters} == set(self.values)
        self.values.update({each["ParameterKey"]: each["ParameterValue"] for each in Parameters if "ParameterValue" in each})

    def delete_stack(self, StackName):
        self.noted("delete_stack")
        self.stack = "DELETE_FAILED" if self.held else None

    def describe_stack_events(self, StackName):
        return {"StackEvents": [{"LogicalResourceId": "ViewerPolicy", "PhysicalResourceId": "arn:policy", "ResourceStatus": "DELETE_FAILED", "ResourceStatusReason": self.held}]}

    def get_waiter(self, name):
        def wait(**_):
            if name == "stack_delete_complete" and self.held:
                raise botocore.exceptions.WaiterError(name, "stopped", {})

        return mock.Mock(wait=wait)

    def get_paginator(self, operation):
        return Paginator(getattr(self, "page_of_" + operation))

    def page_of_list_stack_resources(self, StackName):
        found = {"Cluster": "mayfly", "Ledger": "mayfly-Ledger-1"}
        return {"StackResourceSummaries": [{"LogicalResourceId": name, "PhysicalResourceId": each} for name, each in found.items()]}

    # IAM
    def create_service_linked_role(self, AWSServiceName):
        self.noted("create_service_linked_role")
        if self.linked:
            raise client_error("InvalidInput", f"Service role name AWSServiceRoleForECS has been taken in this account")
        self.linked = True

    def page_of_list_roles(self, PathPrefix):
        return {"Roles": [{"RoleName": "deployer"}]}

    # SSM
    def get_parameter(self, Name):
        if self.pools is None:
            raise client_error("ParameterNotFound", "")
        return {"Parameter": {"Value": self.pools}}

    def put_parameter(self, Name, Value, **_):
        self.noted("put_parameter")
        self.pools = Value

    def page_of_describe_parameters(self, ParameterFilters):
        return {"Parameters": [{"Name": ParameterFilters[0]["Values"][0] + "github-app"}]}

    # ECS: each look finds one task less.
    def page_of_list_tasks(self, cluster):
        tasks = list(self.tasks)
        self.noted(f"{len(tasks)} tasks")
        if not self.denied_to_end:
            self.tasks = self.tasks[1:]
        return {"taskArns": tasks}

    denied_to_end = False

    def stop_task(self, cluster, task, reason):
        self.noted(f"stop {task}")
        self.tasks.remove(task) if task in self.tasks else None

    def page_of_list_task_definition_families(self, familyPrefix, status):
        return {"families": [familyPrefix + "0123456789ab"]}

    # DynamoDB
    def describe_table(self, TableName):
        return {"Table": {"DeletionProtectionEnabled": self.table == "protected"}}

    def update_table(self, TableName, DeletionProtectionEnabled):
        self.noted("update_table")
        self.table = "open"

    def delete_table(self, TableName):
        self.noted("delete_table")
        assert self.table == "open", "ValidationException: the table is protected"
        self.table = None


class Case(unittest.TestCase):
    def setUp(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        sam = folder / "sam"
        sam.write_text(SAM)
        sam.chmod(sam.stat().st_mode | stat.S_IXUSR)
        self.calls_file, self.build = folder / "calls", folder / "build"
        environment = {"PATH": f"{folder}:{os.environ['PATH']}", "SAM_CALLS": str(self.calls_file), "MAYFLY_DEPLOY_DELAY": "0"}
        self.enterContext(mock.patch.dict(os.environ, environment))
        self.enterContext(mock.patch.object(deploy, "BUILD", self.build))
        # What this machine can build for is another test's.
        self.enterContext(mock.patch.object(deploy, "check_target"))
        self.built("arm64")
        self.said = io.StringIO()
        self.enterContext(redirect_stdout(self.said))

    def built(self, architecture):
        for function in ("Webhook", "Scaler"):
            path = self.build / "aws" / function / "bootstrap"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(ELF[architecture] + bytes(100))

    def sam_calls(self):
        return [json.loads(line) for line in self.calls_file.read_text().splitlines()] if self.calls_file.exists() else []

    def deploy(self, account, given, stack="mayfly", yes=False):
        aws = deploy.Aws(stack, "eu-west-1", account.client)

        def sam(*arguments):
            real(*arguments)
            if arguments[0] == "deploy":
                account.stack = account.stack or "CREATE_COMPLETE"
                defaults = {name: str(each.get("Default", "")) for name, each in written()["Parameters"].items()}
                account.values = {**defaults, **account.values, **given}

        real = deploy.sam
        with mock.patch.object(deploy, "sam", sam):
            deploy.deploy(aws, given, "default", yes)


class Deploy(Case):
    def test_first_one_makes_the_role_of_ecs_and_protects_the_ledger_once_it_is_there(self):
        account = Account()
        self.deploy(account, FIRST)
        self.assertEqual(account.calls, ["create_service_linked_role", "update_stack"])
        self.assertEqual(account.values["DeletionProtection"], "true")
        build, deployed = self.sam_calls()
        overrides = ["--parameter-overrides", "VpcId=vpc-1", "SubnetIds=subnet-1,subnet-2"]
        self.assertEqual(build, ["build", "--config-env", "default", "--region", "eu-west-1", *overrides, "Architecture=arm64"])
        self.assertEqual(deployed, ["deploy", "--config-env", "default", "--region", "eu-west-1", "--stack-name", "mayfly", *overrides])

    def test_role_of_ecs_that_is_there_is_no_problem_and_one_that_may_not_be_made_is_told(self):
        there, refused = Account(), Account()
        there.linked, refused.denied = True, {"create_service_linked_role"}
        for account in (there, refused):
            self.deploy(account, FIRST)
        self.assertEqual(self.said.getvalue().count("warning: the service-linked role of ECS was not made"), 1)

    def test_later_one_keeps_what_it_is_not_told_and_leaves_the_protection_alone(self):
        account = Account("UPDATE_COMPLETE", **FIRST, Architecture="x86_64", DeletionProtection="true")
        self.built("x86_64")
        self.deploy(account, {"RetentionDays": "90"}, yes=True)
        self.assertEqual(account.calls, [])
        build, deployed = self.sam_calls()
        self.assertEqual(build[-3:], ["--parameter-overrides", "RetentionDays=90", "Architecture=x86_64"])
        self.assertEqual(deployed[-3:], ["--no-confirm-changeset", "--parameter-overrides", "RetentionDays=90"])

    def test_protection_can_be_declined_in_words(self):
        account = Account()
        self.deploy(account, {**FIRST, "DeletionProtection": "false"})
        self.assertNotIn("update_stack", account.calls)

    def test_what_a_first_one_that_failed_left_is_cleared_away(self):
        for status in deploy.FAILED_CREATION:
            account = Account(status, **FIRST)
            self.deploy(account, FIRST)
            self.assertEqual(account.calls, ["delete_stack", "create_service_linked_role", "update_stack"], status)

    def test_first_one_needs_a_network(self):
        with self.assertRaisesRegex(deploy.Refused, "SubnetIds: make deploy VPC"):
            self.deploy(Account(), {"VpcId": "vpc-1"})
        self.assertEqual(self.sam_calls(), [])

    def test_failure_of_sam_ends_it_and_nothing_is_protected(self):
        for step, calls in (("build", 1), ("deploy", 2)):
            self.calls_file.unlink(missing_ok=True)
            account = Account()
            with mock.patch.dict(os.environ, SAM_FAILS_AT=step), self.assertRaisesRegex(deploy.Refused, f"sam {step} failed"):
                self.deploy(account, FIRST)
            self.assertEqual((len(self.sam_calls()), account.calls), (calls, ["create_service_linked_role"]))

    def test_change_set_that_a_person_declines_is_not_taken_for_a_deployment(self):
        # sam exits 0 then, and leaves a stack that is only reviewed.
        account = Account("REVIEW_IN_PROGRESS", **FIRST)
        with self.assertRaisesRegex(deploy.Refused, "not deployed"):
            self.deploy(account, FIRST)

    def test_functions_of_another_processor_are_not_deployed(self):
        self.built("x86_64")
        with self.assertRaisesRegex(deploy.Refused, "is not built for arm64"):
            self.deploy(Account(), FIRST)
        self.assertEqual([call[0] for call in self.sam_calls()], ["build"])

    def test_names_that_functions_cannot_have_are_refused_at_once(self):
        longest = max(re.findall(r"FunctionName: !Sub \$\{AWS::StackName\}(\S+)", deploy.INFRA.joinpath("template.yaml").read_text()), key=len)
        self.assertEqual(64 - len(longest), 54)
        for name in ("a" * 55, "1st", "under_score", ""):
            with self.assertRaisesRegex(deploy.Refused, "54 characters"):
                self.deploy(Account(), FIRST, stack=name)
        self.deploy(Account(), FIRST, stack="a" * 54)

    def test_command_line_reads_parameters_and_refuses_what_is_none(self):
        options = deploy.parsed(["deploy", "--stack", "x", "VpcId=vpc-1", "KmsKeyArn=arn:aws:kms:a:b:key/c=d"])
        self.assertEqual(options.given, {"VpcId": "vpc-1", "KmsKeyArn": "arn:aws:kms:a:b:key/c=d"})
        with redirect_stderr(io.StringIO()), self.assertRaises(SystemExit):
            deploy.parsed(["deploy", "VpcId"])

    def test_make_hands_everything_on(self):
        words = ["VPC=vpc-1", "SUBNETS=subnet-1,subnet-2", "ALARMS=arn:x", "STACK=other", "REGION=eu-west-1", "YES=1", "PARAMETERS=Architecture=x86_64 RetentionDays=7"]
        said = subprocess.run(["make", "--dry-run", "deploy", *words], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
        line = next(line for line in said.splitlines() if "deploy.py" in line).split()
        options = deploy.parsed(line[2:])
        given = {**FIRST, "AlarmTopicArn": "arn:x", "Architecture": "x86_64", "RetentionDays": "7"}
        self.assertEqual((options.stack, options.region, options.yes, options.given), ("other", "eu-west-1", True, given))
        self.assertLessEqual(options.given.keys(), written()["Parameters"].keys())


class Undeploy(Case):
    def undeploy(self, account, force=False):
        deploy.undeploy(deploy.Aws("mayfly", "eu-west-1", account.client), yes=True, force=force)

    def test_nothing_is_launched_any_more_before_runners_are_waited_for_and_the_ledger_goes_last(self):
        account = Account("UPDATE_COMPLETE", **FIRST)
        account.pools, account.tasks = '[github]\naccounts = ["acme"]\n[pools.linux]\nlabels = ["x"]\n', ["t1", "t2"]
        self.undeploy(account)
        self.assertEqual(account.calls, ["put_parameter", "2 tasks", "1 tasks", "0 tasks", "delete_stack", "update_table", "delete_table"])
        for line in ("SSM parameter /mayfly/mayfly/github-app", "mayfly-x64-0123456789ab", "mayfly-arm64-0123456789ab", "IAM role deployer", "GitHub App"):
            self.assertIn(line, self.said.getvalue())

    def test_force_stops_each_runner_once(self):
        account = Account("CREATE_COMPLETE", **FIRST)
        account.tasks, account.denied_to_end = ["t1", "t2"], True
        self.undeploy(account, force=True)
        self.assertEqual(sorted(call for call in account.calls if call.startswith("stop")), ["stop t1", "stop t2"])

    def test_runners_that_work_for_ever_are_told_of(self):
        account = Account("CREATE_COMPLETE", **FIRST)
        account.tasks, account.denied_to_end = ["t1"], True
        with mock.patch.object(deploy, "DRAIN_LIMIT", -1), self.assertRaisesRegex(deploy.Refused, "FORCE=1"):
            self.undeploy(account)
        self.assertNotIn("delete_stack", account.calls)

    def test_what_cannot_be_deleted_is_named_and_the_ledger_stays(self):
        account = Account("CREATE_COMPLETE", **FIRST)
        account.held = "Cannot delete a policy attached to entities."
        with self.assertRaisesRegex(deploy.Refused, "ViewerPolicy: Cannot delete a policy attached to entities"):
            self.undeploy(account)
        self.assertEqual(account.table, "protected")

    def test_a_stack_that_is_gone_leaves_a_list(self):
        self.undeploy(Account())
        self.assertIn("there is no stack mayfly", self.said.getvalue())
        self.assertIn("SSM parameter", self.said.getvalue())

    def test_nothing_is_deleted_unless_its_name_is_typed(self):
        account = Account("CREATE_COMPLETE", **FIRST)
        with mock.patch("builtins.input", return_value="yes"), self.assertRaisesRegex(deploy.Refused, "nothing was deleted"):
            deploy.undeploy(deploy.Aws("mayfly", "eu-west-1", account.client), yes=False, force=False)
        self.assertEqual(account.calls, [])

    def test_an_emptied_pools_file_keeps_whom_it_serves(self):
        import tomllib

        text = '[github]\naccounts = ["acme", { login = "a\\"b", id = 7 }]\n[defaults]\ncpu = 2\n[pools.a]\nlabels = ["x"]\n'
        emptied = tomllib.loads(deploy.without_pools(text))
        self.assertEqual(emptied, {"github": tomllib.loads(text)["github"], "pools": {}})


class Machine(unittest.TestCase):
    """The functions as cargo lambda really builds them."""

    def test_the_template_s_processor_can_be_built_for(self):
        for architecture in written()["Parameters"]["Architecture"]["AllowedValues"]:
            self.assertIn(architecture, deploy.MACHINES)
        target, machine = deploy.MACHINES["x86_64" if platform.machine() == "x86_64" else "arm64"]
        # This machine's own programs are proof of the numbers.
        program = pathlib.Path(sys.executable).resolve().read_bytes()[:20]
        self.assertEqual(int.from_bytes(program[18:20], "little"), machine)

    def test_what_was_built_is_for_the_processor_that_the_template_says(self):
        default = written()["Parameters"]["Architecture"]["Default"]
        target, _ = deploy.MACHINES[default]
        sysroot = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()
        if not (pathlib.Path(sysroot) / "lib/rustlib" / target).is_dir():
            self.skipTest(f"{target} is not installed (rustup target add {target})")
        subprocess.run(["sam", "build", "--region", "us-east-1"], cwd=deploy.INFRA, check=True, capture_output=True)
        deploy.check_machine(deploy.BUILD / "aws", default)

    def test_rust_that_cannot_build_for_it_is_told_what_to_do(self):
        foreign = next(name for name, (target, _) in deploy.MACHINES.items() if not target.startswith(platform.machine()))
        with tempfile.TemporaryDirectory() as folder:
            rustc = pathlib.Path(folder) / "rustc"
            rustc.write_text(f"#!/bin/sh\necho {folder}\n")
            rustc.chmod(0o755)
            with mock.patch.dict(os.environ, PATH=folder), self.assertRaisesRegex(deploy.Refused, "rustup target add .*PARAMETERS=Architecture="):
                deploy.check_target(foreign)


if __name__ == "__main__":
    unittest.main()
