"""Holds the requests that were recorded while the stories ran to what AWS says of them: recorded.py <folder>.

Every request of the product has the form that botocore's models give it; anyone who made it has a statement in the template that
allows it, resource and conditions included; and every action that the template grants was used by someone who has it, or a reason is given here. The
emulator enforces policies, too, but not for ECS, whose stand-in knows none, nor for single parameters. Prints a count like other test runners.
"""

import dataclasses
import functools
import json
import pathlib
import re
import sys

import botocore
import shapes
from policies import ACCOUNT, REGION, STACK, Statement, deployed
from shapes import Call

# The people of the stories (tests/local-stack/tests/stories/command/person.rs), and the policies that they attach to themselves.
PEOPLE = {
    "operator": ("OperatorPolicy",),
    "viewer": ("ViewerPolicy",),
    "newcomer": ("OperatorPolicy", "SecretsPolicy"),
    "doctor": ("ViewerPolicy", "SecretsPolicy", "DoctorPolicy"),
}
CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/"
# Granted, and asked for by AWS itself.
BY_AWS = {
    "logs:CreateLogStream": "Lambda, and ECS for a task, write logs with the role",
    "logs:PutLogEvents": "the same",
    "sqs:ReceiveMessage": "Lambda's event source mapping reads the queue with the function's role",
    "sqs:DeleteMessage": "the same",
    "sqs:GetQueueAttributes": "the same",
    "ecr:GetAuthorizationToken": "ECS pulls the image with the execution role",
    "ecr:BatchCheckLayerAvailability": "the same",
    "ecr:BatchGetImage": "the same",
    "ecr:GetDownloadUrlForLayer": "the same",
    "kms:Decrypt": "DynamoDB, SQS and SSM use a key of one's own in the caller's name, where there is one",
    "kms:DescribeKey": "the same",
    "kms:Encrypt": "the same",
    "kms:GenerateDataKey": "the same",
    "kms:ReEncryptFrom": "the same",
    "kms:ReEncryptTo": "the same",
    "lambda:InvokeFunction": "CloudWatch's console invokes a widget's function in the name of the user who looks",
    "execute-api:Invoke": "a runner asks with the task's role; curl signs, no SDK (runner/tests/signature.py)",
}
# Granted, and used where no story is sure to come by.
RARE = {
    ("DoctorPolicy", "ecs:ListTasks"): "a probe whose start was not answered is looked for",
    ("DoctorPolicy", "ecs:RegisterTaskDefinition"): "a pool's definition is not there yet",
    ("DoctorPolicy", "ecs:StopTask"): "a probe does not end by itself",
    ("DoctorPolicy", "iam:GetRole"): "a pool names a role of its own",
    ("DoctorPolicy", "servicequotas:GetAWSDefaultServiceQuota"): "the account was never given a quota of its own; the stand-in always has one",
    ("OperatorPolicy", "servicequotas:GetAWSDefaultServiceQuota"): "the same",
    ("ViewerPolicy", "servicequotas:GetAWSDefaultServiceQuota"): "the same",
    ("ObserverRole", "ecs:StopTask"): "a task comes up for a runner that is closed",
    ("OperatorPolicy", "dynamodb:DeleteItem"): "a job that is retried waits in another pool from then on",
    ("RegistrarRole", "ecs:DescribeTasks"): "a runner asks that the ledger does not know yet",
    ("ScalerRole", "dynamodb:DeleteItem"): "ECS refuses a launch for good, and its row closes",
    ("ScalerRole", "ecs:StopTask"): "more runners than jobs: marked and stopped before they asked",
    ("ScalerRole", "sqs:SendMessage"): "a plan leaves work, and scaler wakes itself",
    ("SweeperRole", "ecs:StopTask"): "a runner outlives its limits",
    ("SweeperRole", "s3:PutObject"): "the deployment has an archive; the local stack has none",
}


@dataclasses.dataclass(frozen=True)
class Needed:
    """One permission that a call needs."""

    action: str
    resource: str
    context: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __str__(self) -> str:
        given = ", ".join(f"{key}={'|'.join(values)}" for key, values in self.context)
        return f"{self.action} on {self.resource}" + (f" with {given}" if given else "")


def needed(call: Call) -> list[Needed]:
    """The permissions that AWS asks for a call, by the service authorization reference."""
    of_service = {"dynamodb": of_dynamodb, "ecs": of_ecs, "ssm": of_ssm}.get(call.service)
    if of_service:
        return of_service(call)
    if call.service == "sqs":
        return [Needed(f"sqs:{call.operation}", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{logical(call.input['QueueUrl'].rsplit('/', 1)[1])}")]
    if call.service == "iam":
        return [Needed(f"iam:{call.operation}", f"arn:aws:iam::{ACCOUNT}:role/mayfly/{STACK}/{call.input['RoleName']}")]
    if call.service == "logs":
        stream = f"log-group:{call.input['logGroupName']}:log-stream:{call.input['logStreamName']}"
        return [Needed(f"logs:{call.operation}", f"arn:aws:logs:{REGION}:{ACCOUNT}:{stream}")]
    if call == Call("sts", "GetCallerIdentity", {}):
        return []  # No one can be kept from it. STS API reference.
    return [Needed(f"{call.service.replace('-', '')}:{call.operation}", "*")]


def logical(name: str) -> str:
    """CloudFormation names a thing after the stack and its logical id, and puts something at the end."""
    return re.sub(rf"^({STACK}-[A-Za-z]+)-[A-Za-z0-9]+(\.fifo)?$", r"\1", name)


def of_dynamodb(call: Call) -> list[Needed]:
    """A transaction needs the permission of each action that it holds; there is none for transactions."""
    if call.operation in ("TransactGetItems", "TransactWriteItems"):
        names = {"Get": "GetItem", "Put": "PutItem", "Delete": "DeleteItem", "Update": "UpdateItem", "ConditionCheck": "ConditionCheckItem"}
        parts = [(names[kind], action) for item in call.input["TransactItems"] for kind, action in item.items()]
    else:
        parts = [(call.operation, call.input)]
    found = []
    for operation, action in parts:
        table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{logical(action['TableName'])}"
        index = f"/index/{action['IndexName']}" if "IndexName" in action else ""
        key = (action.get("Key") or action.get("Item") or {}).get("pk", {}).get("S")
        found.append(Needed(f"dynamodb:{operation}", table + index, (("dynamodb:LeadingKeys", (key,)),) if key else ()))
    return found


def of_ssm(call: Call) -> list[Needed]:
    names = call.input.get("Names") or [call.input["Name"]]
    return [Needed(f"ssm:{call.operation}", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{name.removeprefix('/')}") for name in names]


def of_ecs(call: Call) -> list[Needed]:
    given, action = call.input, f"ecs:{call.operation}"
    cluster = given.get("cluster", "default").removeprefix(CLUSTER)
    context = (("ecs:cluster", (CLUSTER + cluster,)),)
    task = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/{cluster}/"
    definition = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/"
    if call.operation == "RunTask":
        named = definition + given["taskDefinition"].removeprefix(definition)
        return [Needed(action, named, context), *of_making(call, task + "*"), *of_roles(given.get("overrides", {}))]
    if call.operation == "RegisterTaskDefinition":
        return [Needed(action, definition + given["family"] + ":*"), *of_making(call, definition + given["family"] + ":*"), *of_roles(given)]
    if call.operation in ("DescribeTasks", "StopTask"):
        return [Needed(action, task + one.rsplit("/", 1)[-1], context) for one in given.get("tasks") or [given["task"]]]
    return [Needed(action, "*", context if "cluster" in given else ())]


def of_making(call: Call, made: str) -> list[Needed]:
    """What is made with tags needs the permission to tag. ECS developer guide, "Grant permission to tag resources on creation"."""
    return [Needed("ecs:TagResource", made, (("ecs:CreateAction", (call.operation,)),))] if call.input.get("tags") else []


def of_roles(given: dict) -> list[Needed]:
    roles = [given[name] for name in ("taskRoleArn", "executionRoleArn") if given.get(name)]
    return [Needed("iam:PassRole", role, (("iam:PassedToService", ("ecs-tasks.amazonaws.com",)),)) for role in roles]


def matches(pattern: str, value: str) -> bool:
    """`*` stands for anything, slashes and colons included."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value, re.DOTALL) is not None


def holds(condition: tuple[str, str, tuple[str, ...]], context: dict[str, tuple[str, ...]]) -> bool:
    """Whether a condition is met. IAM user guide, "IAM JSON policy elements: Condition operators"."""
    operator, key, wanted = condition
    values = context.get(key, ())
    quantifier, _, plain = operator.rpartition(":")
    compares = {"StringEquals": lambda value, one: value == one, "StringLike": lambda value, one: matches(one, value)}
    compare = (compares | dict.fromkeys(("ArnEquals", "ArnLike"), compares["StringLike"]))[plain]
    met = [any(compare(value, one) for one in wanted) for value in values]
    # ForAllValues holds where there is no value.
    return all(met) if quantifier == "ForAllValues" else any(met)


def allows(statement: Statement, need: Needed) -> bool:
    named = need.action in statement.actions and any(matches(pattern, need.resource) for pattern in statement.resources)
    return named and all(holds(condition, dict(need.context)) for condition in statement.conditions)


@functools.cache
def granted(owners: tuple[str, ...]) -> list[Statement]:
    statements = [one for one in deployed().statements() if one.owner in owners and not one.trust]
    if any(one.effect != "Allow" for one in statements):
        raise ValueError("a statement that denies is not understood here")
    return statements


def grants() -> set[tuple[str, str]]:
    """Every action of every role and policy, with the role or policy."""
    return {(one.owner, action) for one in deployed().statements() if not one.trust for action in one.actions}


def owners_of(caller: str) -> tuple[str, ...] | None:
    """The roles and policies of the template that a caller has; None is the account's root, as which tests look themselves."""
    if caller.endswith(":root"):
        return None
    role = caller.split(":assumed-role/")[1].split("/")[0]
    return PEOPLE.get(role) or (logical(role).removeprefix(f"{STACK}-"),)


@dataclasses.dataclass
class Seen:
    """The calls of one kind by one caller, and what was wrong with them."""

    count: int = 0
    problems: dict[str, str] = dataclasses.field(default_factory=dict)

    def add(self, problem: str, call: Call) -> None:
        self.problems.setdefault(problem, json.dumps(call.input, default=str)[:2000])


class Record:
    """Everything that was seen."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], Seen] = {}
        self.used: set[tuple[str, str]] = set()  # Owner and action.

    def take(self, line: dict, caller: str) -> None:
        owners = owners_of(caller)
        who = "+".join(owners or ("root",))
        try:
            call = shapes.understood(line)
        except (KeyError, ValueError) as error:
            self.seen.setdefault((who, "?"), Seen()).problems[f"not understood: {error!r}"] = json.dumps(line)[:2000]
            return
        seen = self.seen.setdefault((who, str(call)), Seen())
        seen.count += 1
        for problem in shapes.problems(call):
            seen.add(problem, call)
        if owners is not None and not seen.problems:
            self.judge(owners, call, seen, line.get("denied", False))

    def judge(self, owners: tuple[str, ...], call: Call, seen: Seen, denied: bool) -> None:
        """Stories try what is forbidden, too: then the emulator has to refuse it, and only then."""
        refused = []
        for need in needed(call):
            allowing = {statement.owner for statement in granted(owners) if allows(statement, need)}
            self.used |= {(owner, need.action) for owner in allowing}
            refused += [] if allowing else [f"nothing allows {need}"]
        if refused and not denied:
            seen.add("; ".join(refused) + ", and it was not refused", call)
        if denied and not refused:
            seen.add("is allowed, and was refused", call)

    def unused(self) -> list[str]:
        """Grants that no one used."""
        return [f"{owner}: {action}" for owner, action in sorted(grants() - self.used - set(RARE)) if action not in BY_AWS]


def read(folder: pathlib.Path) -> Record:
    """The record in a folder."""
    record, callers, lines = Record(), {}, []
    # MiniStack's lines tell whose a key is; the stand-in of ECS sees keys only, of callers that MiniStack has seen before, since they read the ledger.
    for file in sorted(folder.glob("*.jsonl"), key=lambda file: file.name != "ministack.jsonl"):
        for text in file.open():
            line = json.loads(text)
            key = line["headers"]["authorization"].split("Credential=")[1].split("/")[0]
            if "caller" in line:
                callers[key] = line["caller"]
            lines.append((line, key))
    for line, key in lines:
        record.take(line, callers.get(key, f"arn:aws:iam::{ACCOUNT}:root" if key == "test" else f"key {key}:assumed-role/unknown/"))
    return record


def coverage(record: Record) -> list[str]:
    """Operations that the product's sources call, and the record does not have."""
    recorded = {kind for _, kind in record.seen}
    rare = {action for _, action in RARE}
    missing = [(call, place) for call, place in sorted(called().items()) if call not in recorded and call.replace("-", "") not in rare]
    return [f"{call} is called in {place}" for call, place in missing]


def called() -> dict[str, str]:
    """Every operation of our services that product code calls, with a file where it does."""
    found = {}
    root = pathlib.Path(__file__).resolve().parents[2]
    for file in sorted([*root.glob("crates/*/src/**/*.rs"), *root.glob("functions/*/src/**/*.rs"), *root.glob("cli/src/**/*.rs")]):
        text = file.read_text()
        for service in shapes.SERVICES:
            if f"aws_sdk_{service.replace('-', '')}" in text:
                names = {botocore.xform_name(name): name for name in shapes.model(service).operation_names}
                called_here = [names[name] for name in re.findall(r"\.([a-z_]+)\(\)", text) if name in names]
                found |= {f"{service}:{name}": str(file.relative_to(root)) for name in called_here}
    return found


# Requests that AWS would refuse for their form, and words of the complaint.
WRONG = [
    (Call("ecs", "RunTasks", {}), "no operation RunTasks"),
    (Call("ecs", "RunTask", {}), "taskDefinition"),
    (Call("ecs", "RunTask", {"taskDefinition": "a", "count": "1"}), "count"),
    (Call("ecs", "RunTask", {"taskDefinition": "a", "taskdefinition": "a"}), "Unknown parameter"),
    (Call("ecs", "RunTask", {"taskDefinition": "a", "launchType": "FARGAT"}), "'FARGAT' is none of"),
    (Call("ecs", "RunTask", {"taskDefinition": "a", "capacityProviderStrategy": [{"capacityProvider": "a", "weight": 1001}]}), "more than 1000"),
    (Call("ecs", "RunTask", {"taskDefinition": "a", "tags": [{"key": "a|b", "value": ""}]}), "does not match"),
    (Call("dynamodb", "GetItem", {"TableName": "a", "Key": {"pk": {"S": "a", "N": "1"}}}), "exactly one"),
    (Call("dynamodb", "GetItem", {"TableName": "a", "Key": {"pk": "a"}}), "pk"),
    (Call("dynamodb", "TransactWriteItems", {"TransactItems": [{}] * 101}), "more than 100"),
    (Call("ssm", "GetParameters", {"Names": ["a"] * 11}), "more than 10"),
    (Call("ssm", "PutParameter", {"Name": "a", "Value": "a", "Tier": "Advance"}), "'Advance' is none of"),
    (Call("logs", "GetLogEvents", {"logGroupName": "a b", "logStreamName": "a"}), "does not match"),
]
RUN = Call("ecs", "RunTask", {
    "cluster": f"{CLUSTER}{STACK}", "taskDefinition": f"{STACK}-x64-linux:1", "tags": [{"key": "a", "value": "b"}],
    "overrides": {"taskRoleArn": f"arn:aws:iam::{ACCOUNT}:role/mayfly/{STACK}/task"},
})  # fmt: skip
PUT = Call("dynamodb", "PutItem", {"TableName": f"{STACK}-Ledger-A1B2", "Item": {"pk": {"S": "pool#linux"}, "sk": {"S": "meta"}}})
# Who may not send what, with what the complaint names.
FORBIDDEN = [
    (("ObserverRole",), RUN, "ecs:RunTask"),
    (("ScalerRole",), dataclasses.replace(RUN, input=RUN.input | {"cluster": "other"}), "ecs:RunTask"),
    (("ScalerRole",), dataclasses.replace(RUN, input=RUN.input | {"taskDefinition": "other:1"}), "ecs:RunTask"),
    (("ScalerRole",), dataclasses.replace(RUN, input=RUN.input | {"overrides": {"taskRoleArn": f"arn:aws:iam::{ACCOUNT}:role/admin"}}), "iam:PassRole"),
    (("ViewerPolicy",), PUT, "dynamodb:PutItem"),
    (("OperatorPolicy",), dataclasses.replace(PUT, input=PUT.input | {"Item": {"pk": {"S": "sweeper"}, "sk": {"S": "lease"}}}), "dynamodb:PutItem"),
    (("WebhookRole",), Call("ssm", "GetParameters", {"Names": [f"/mayfly/{STACK}/github-app"]}), "ssm:GetParameters"),
    (("OperatorPolicy",), Call("ssm", "PutParameter", {"Name": f"/mayfly/{STACK}/github-app", "Value": "a"}), "ssm:PutParameter"),
]  # fmt: skip


def complaints_work() -> list[tuple[str, list[str]]]:
    """Whether what is wrong is found, and what is right is not."""
    results = []
    for call, words in WRONG:
        found = shapes.problems(call)
        results.append((f"{call} with {words!r}", [] if any(words in one for one in found) else [f"is not found to be wrong: {found}"]))
    for owners, call, action in FORBIDDEN:
        refused = {need.action for need in needed(call) if not any(allows(one, need) for one in granted(owners))}
        results.append((f"{call} by {owners}", [] if action in refused else [f"is allowed: {action}"]))
    for owners, call in ((("ScalerRole",), RUN), (("OperatorPolicy",), PUT)):
        refused = [str(need) for need in needed(call) if not any(allows(one, need) for one in granted(owners))]
        results.append((f"{call} by {owners}", shapes.problems(call) + [f"is refused: {need}" for need in refused]))
    return results


def main(folder: str) -> int:
    record = read(pathlib.Path(folder))
    results = complaints_work()
    for (who, kind), seen in sorted(record.seen.items()):
        results.append((f"{who}: {kind} ({seen.count} calls)", [f"{problem}\n    {call}" for problem, call in seen.problems.items()]))
    results.append(("what is granted is used", record.unused()))
    results.append(("what the sources call was recorded", coverage(record)))
    results.append(("reasons for what is rare", [f"{owner} is not granted {action}" for owner, action in sorted(set(RARE) - grants())]))
    failed = [(name, found) for name, found in results if found]
    for name, found in failed:
        print(f"{name}\n  " + "\n  ".join(found), file=sys.stderr)
    print(f"{sum(seen.count for seen in record.seen.values())} requests of {len(record.seen)} kinds")
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
