"""Deploys Mayfly to AWS, and takes it down again: what `make deploy` and `make undeploy` run.

    python infra/deploy.py deploy [--stack NAME] [--region REGION] [--yes] [Key=Value ...]
    python infra/deploy.py undeploy [--stack NAME] [--region REGION] [--yes] [--force]

Key=Value are parameters of infra/template.yaml; one that is not given keeps the value it has. Credentials and region are found as the AWS CLI finds
them, which itself is not needed: `make tools` installs aws-sam-cli, and that brings botocore.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import time
import tomllib

import botocore.exceptions
import botocore.session

INFRA = pathlib.Path(__file__).resolve().parent
BUILD = INFRA.parent / "target" / "sam"

# A function is called `<stack>-<name>`, 64 characters at most, and `registrar` is the longest name.
# https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,53}")

# A stack whose creation failed holds nothing and can only be deleted.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
FAILED_CREATION = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")

# By Lambda's name of a processor: Rust's target, and `e_machine` of an ELF file (https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html).
MACHINES = {"arm64": ("aarch64-unknown-linux-gnu", 183), "x86_64": ("x86_64-unknown-linux-gnu", 62)}

DRAIN_LIMIT = 60 * 60  # seconds
DRAIN_PAUSE = 10


class Refused(Exception):
    """Why it does not go on, and what to do."""


def say(line):
    print(line, flush=True)


def error_code(error):
    return error.response["Error"]["Code"]


class Aws:
    """A stack, seen through the few calls that are made about it."""

    def __init__(self, stack, region, client):
        self.stack, self.region, self.client = stack, region, client

    def described(self):
        """The stack as CloudFormation has it, or None."""
        try:
            return self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"][0]
        except botocore.exceptions.ClientError as error:
            if error_code(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise

    def delete(self):
        """Deletes the stack and waits; fails with the resources that would not go."""
        cloudformation = self.client("cloudformation")
        # The id still finds the stack once its name is free.
        stack_id = self.described()["StackId"]
        cloudformation.delete_stack(StackName=stack_id)
        try:
            cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig={"Delay": delay(5), "MaxAttempts": 360})
        except botocore.exceptions.WaiterError as error:
            events = cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"]
            held = [event for event in events if event["ResourceStatus"] == "DELETE_FAILED" and event["PhysicalResourceId"] != stack_id]
            why = "; ".join(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in held)
            raise Refused(f"the stack {self.stack} was not deleted: {why or error}. Clear that away and run it again") from error


def delay(seconds):
    """Seconds between two looks; a test on an emulator waits less."""
    return float(os.environ.get("MAYFLY_DEPLOY_DELAY", seconds))


def values_of(described):
    return {each["ParameterKey"]: each.get("ParameterValue", "") for each in (described or {}).get("Parameters", [])}


def check_stack_name(stack):
    if not STACK_NAME.fullmatch(stack):
        raise Refused(f"{stack!r} cannot be the stack's name: a letter, then letters, digits and hyphens, 54 characters at most")


def make_service_linked_role(aws):
    """ECS makes its role when it is first used, too late for the cluster that is created in that moment: on a new account the stack fails.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html"""
    try:
        aws.client("iam").create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
        say("made the service-linked role of ECS")
    except botocore.exceptions.ClientError as error:
        # AWS says "InvalidInput: Service role name AWSServiceRoleForECS has been taken in this account", the local stack EntityAlreadyExists.
        if error_code(error) == "EntityAlreadyExists" or "has been taken" in str(error):
            return
        say(f"warning: the service-linked role of ECS was not made, and the deployment fails on an account that never used ECS: {error}")


def check_target(architecture):
    """cargo lambda builds for another processor only with that target's standard library."""
    target, _ = MACHINES[architecture]
    if platform.machine() == target.split("-")[0]:
        return
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()
    if (pathlib.Path(sysroot) / "lib" / "rustlib" / target).is_dir():
        return
    if not shutil.which("rustup"):
        own = next((name for name, (each, _) in MACHINES.items() if each.startswith(platform.machine())), None)
        raise Refused(
            f"this Rust cannot build for {architecture}: install Rust by rustup, then `rustup target add {target}`"
            + (f"; or PARAMETERS=Architecture={own}" if own else "")
        )
    subprocess.run(["rustup", "target", "add", target], check=True)


def check_machine(build, architecture):
    """The functions that were built run on the processor that the template asks for."""
    found = sorted(build.glob("*/bootstrap"))
    if not found:
        raise Refused(f"sam build left no function in {build}")
    for path in found:
        with path.open("rb") as file:
            header = file.read(20)
        machine = int.from_bytes(header[18:20], "little") if header[:4] == b"\x7fELF" else None
        if machine != MACHINES[architecture][1]:
            raise Refused(f"{path} is not built for {architecture} (ELF machine {machine}): delete {build} and run it again")


def sam(*arguments):
    code = subprocess.run(["sam", *arguments], cwd=INFRA).returncode
    if code:
        raise Refused(f"sam {arguments[0]} failed (exit {code}); run it again when the cause is gone")


def overrides(values):
    return ["--parameter-overrides", *(f"{key}={value}" for key, value in values.items())] if values else []


def clear_failed_creation(aws, described):
    if described and described["StackStatus"] in FAILED_CREATION:
        say(f"the stack {aws.stack} is what is left of a first deployment that failed ({described['StackStatus']}): deleting it")
        aws.delete()
        return None
    return described


def protect(aws):
    """Switches on the ledger's deletion protection: not with the stack's creation, whose failure could then not be rolled back."""
    described = aws.described()
    if described is None or not described["StackStatus"].endswith("_COMPLETE") or "ROLLBACK" in described["StackStatus"]:
        raise Refused(f"the stack {aws.stack} is not deployed")
    values = values_of(described)
    if values.get("DeletionProtection") == "true":
        return
    cloudformation = aws.client("cloudformation")
    kept = [{"ParameterKey": key, "UsePreviousValue": True} for key in values if key != "DeletionProtection"]
    cloudformation.update_stack(
        StackName=aws.stack,
        UsePreviousTemplate=True,
        Parameters=[*kept, {"ParameterKey": "DeletionProtection", "ParameterValue": "true"}],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    cloudformation.get_waiter("stack_update_complete").wait(StackName=aws.stack, WaiterConfig={"Delay": delay(5), "MaxAttempts": 120})
    say("the ledger is protected from deletion")


def deploy(aws, given, config, yes):
    check_stack_name(aws.stack)
    described = clear_failed_creation(aws, aws.described())
    architecture = given.get("Architecture") or values_of(described).get("Architecture") or "arm64"
    if architecture not in MACHINES:
        raise Refused(f"Architecture={architecture} is not allowed: {' or '.join(MACHINES)}")
    if described is None:
        if missing := {"VpcId", "SubnetIds"} - given.keys():
            raise Refused(f"a first deployment needs {' and '.join(sorted(missing))}: make deploy VPC=vpc-... SUBNETS=subnet-...,subnet-...")
        make_service_linked_role(aws)
    check_target(architecture)
    place = ["--config-env", config, "--region", aws.region]
    # Other parameters than the architecture do not change what is built; they keep sam from guessing.
    sam("build", *place, *overrides({**given, "Architecture": architecture}))
    check_machine(BUILD / ("aws" if config == "default" else config), architecture)
    agreed = ["--no-confirm-changeset"] if yes else []
    sam("deploy", *place, "--stack-name", aws.stack, *agreed, *overrides(given))
    if given.get("DeletionProtection") != "false":
        protect(aws)


def without_pools(text):
    """The pools file with no pool in it: nothing more is launched, and runners without a job go."""
    github = tomllib.loads(text).get("github", {})
    # A JSON string is a TOML one.
    accounts = [
        json.dumps(each) if isinstance(each, str) else "{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in each.items()) + " }"
        for each in github.get("accounts", [])
    ]
    return f"# Emptied by make undeploy.\n[github]\naccounts = [{', '.join(accounts)}]\n\n[pools]\n"


def empty_pools(aws):
    ssm, name = aws.client("ssm"), f"/mayfly/{aws.stack}/pools"
    try:
        text = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    except botocore.exceptions.ClientError as error:
        if error_code(error) == "ParameterNotFound":
            return
        raise
    if tomllib.loads(text).get("pools"):
        ssm.put_parameter(Name=name, Value=without_pools(text), Type="String", Tier="Intelligent-Tiering", Overwrite=True)
        say(f"emptied the pools file ({name}; an earlier version is kept there): nothing more is launched")


def tasks_of(aws, cluster):
    pages = aws.client("ecs").get_paginator("list_tasks").paginate(cluster=cluster)
    return [arn for page in pages for arn in page["taskArns"]]


def drain(aws, cluster, force):
    """Waits until no runner is left; `force` ends them with their jobs."""
    until, before, asked = time.monotonic() + DRAIN_LIMIT, None, set()
    while tasks := tasks_of(aws, cluster):
        if len(tasks) != before:
            say(f"waiting for {len(tasks)} runner(s) to end" + ("" if force else "; FORCE=1 stops them and their jobs"))
            before = len(tasks)
        if force:
            for arn in set(tasks) - asked:
                aws.client("ecs").stop_task(cluster=cluster, task=arn, reason="make undeploy FORCE=1")
            asked.update(tasks)
        if time.monotonic() > until:
            raise Refused(f"{len(tasks)} runner(s) still work after an hour: run it again, or with FORCE=1, which ends their jobs")
        time.sleep(delay(DRAIN_PAUSE))


def resources_of(aws):
    pages = aws.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=aws.stack)
    return {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for page in pages for each in page["StackResourceSummaries"]}


def delete_ledger(aws, table):
    """The stack's deletion leaves the table behind."""
    dynamodb = aws.client("dynamodb")
    try:
        if dynamodb.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
            dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
            dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": delay(2)})
        dynamodb.delete_table(TableName=table)
    except botocore.exceptions.ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise


def left_behind(aws):
    """What no stack owns: people and functions made it."""
    found = []
    pages = aws.client("ssm").get_paginator("describe_parameters").paginate(
        ParameterFilters=[{"Key": "Name", "Option": "BeginsWith", "Values": [f"/mayfly/{aws.stack}/"]}]
    )
    found += [f"SSM parameter {each['Name']}" for page in pages for each in page["Parameters"]]
    for architecture in ("x64", "arm64"):
        families = aws.client("ecs").get_paginator("list_task_definition_families")
        for page in families.paginate(familyPrefix=f"{aws.stack}-{architecture}-", status="ACTIVE"):
            found += [f"ECS task definition {family} (costs nothing)" for family in page["families"]]
    for page in aws.client("iam").get_paginator("list_roles").paginate(PathPrefix=f"/mayfly/{aws.stack}/"):
        found += [f"IAM role {role['RoleName']}" for role in page["Roles"]]
    return [*found, "the GitHub App, and where it is installed: at GitHub, under Settings, Developer settings, GitHub Apps"]


def confirm(stack, yes):
    if yes:
        return
    say(f"This deletes the stack {stack} with its ledger (the history of jobs and runners) and logs.")
    if input(f"Type {stack} to go on: ").strip() != stack:
        raise Refused("nothing was deleted")


def undeploy(aws, yes, force):
    described = aws.described()
    if described is None:
        say(f"there is no stack {aws.stack} in {aws.region}")
    else:
        confirm(aws.stack, yes)
        resources = resources_of(aws)
        if described["StackStatus"] not in FAILED_CREATION:
            empty_pools(aws)
            if resources.get("Cluster"):
                drain(aws, resources["Cluster"], force)
        say(f"deleting the stack {aws.stack}, some minutes")
        aws.delete()
        if resources.get("Ledger"):
            delete_ledger(aws, resources["Ledger"])
        say(f"the stack {aws.stack} is gone")
    say("What is left:")
    for line in left_behind(aws):
        say(f"  {line}")


def parsed(arguments):
    parser = argparse.ArgumentParser(prog="deploy.py", description=__doc__.split("\n")[0])
    parser.add_argument("command", choices=["deploy", "undeploy"])
    parser.add_argument("--stack", default="mayfly")
    parser.add_argument("--region", default=None)
    parser.add_argument("--config-env", default="default", help="which part of samconfig.toml")
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    parser.add_argument("--force", action="store_true", help="stop runners that work")
    parser.add_argument("parameters", nargs="*", metavar="Key=Value")
    options = parser.parse_intermixed_args(arguments)
    for each in options.parameters:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*=\S+", each):
            parser.error(f"{each!r} is no parameter: Key=Value, without spaces")
    options.given = dict(each.split("=", 1) for each in options.parameters)
    return options


def main(arguments):
    options = parsed(arguments)
    session = botocore.session.get_session()
    region = options.region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
    try:
        if not region:
            raise Refused("no AWS region is set: REGION=..., AWS_REGION, or one in the profile")
        aws = Aws(options.stack, region, lambda service: session.create_client(service, region_name=region))
        if options.command == "deploy":
            deploy(aws, options.given, options.config_env, options.yes)
        else:
            undeploy(aws, options.yes, options.force)
    except (Refused, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as problem:
        print(f"make {options.command}: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
