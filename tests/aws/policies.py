"""The policies of infra/template.yaml, with its functions worked out for a deployment called `mayfly`: one list of statements per role and policy.

What CloudFormation would name (a table, a role) is named after its logical id, as CloudFormation's own names begin.
"""

import dataclasses
import functools
import json
import re

from transform import RESULT

ACCOUNT, REGION, STACK = "000000000000", "us-east-1", "mayfly"
PSEUDO = {
    "AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::StackName": STACK,
    "AWS::URLSuffix": "amazonaws.com", "AWS::NoValue": None,
}  # fmt: skip
# What GetAtt and Ref give, by the resource's type (CloudFormation's reference, "Return values"); the name is put in for {}.
ARNS = {
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{}}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{}}",
    "AWS::Lambda::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{}}",
    "AWS::ECS::Cluster": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{{}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{}}:*",
}
# Parameters that are empty unless someone gives them.
GIVEN = {"ArchiveBucket": "mayfly-archive", "KmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000"}
NAMED_BY = {"AWS::ECS::Cluster": "ClusterName", "AWS::Logs::LogGroup": "LogGroupName", "AWS::Lambda::Function": "FunctionName"}


@dataclasses.dataclass(frozen=True)
class Statement:
    """One statement of one policy, everything in it a list."""

    owner: str  # Logical id of the role or managed policy.
    trust: bool  # Of a role's trust: who may assume it.
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]  # Operator, key, values.
    principals: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.owner}: {self.effect} {', '.join(self.actions)} on {', '.join(self.resources) or 'itself'}"


class Template:
    """A transformed template that values are worked out in."""

    def __init__(self, template: dict):
        self.resources = template["Resources"]
        self.parameters = {name: GIVEN.get(name) or about.get("Default", name) for name, about in template.get("Parameters", {}).items()}

    def name(self, logical: str) -> str:
        resource = self.resources[logical]
        given = resource.get("Properties", {}).get(NAMED_BY.get(resource["Type"]))
        return self.value(given) if given else f"{STACK}-{logical}"

    def reference(self, name: str) -> str | None:
        if name in PSEUDO:
            return PSEUDO[name]
        return self.parameters[name] if name in self.parameters else self.name(name)

    def attribute(self, logical: str, attribute: str) -> str:
        kind = self.resources[logical]["Type"]
        if attribute != "Arn" or kind not in ARNS:
            raise ValueError(f"no value is known for {logical}.{attribute} ({kind})")
        return ARNS[kind].format(self.name(logical))

    def value(self, node):
        """A property with its intrinsic functions worked out."""
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not None]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (function, argument), *_ = node.items()
            if function == "Ref":
                return self.reference(argument)
            if function == "Fn::GetAtt":
                return self.attribute(*(argument if isinstance(argument, list) else argument.split(".", 1)))
            if function == "Fn::Sub":
                return self.substituted(argument)
            if function.startswith("Fn::"):
                raise ValueError(f"{function} is not worked out in policies")
        return {key: self.value(value) for key, value in node.items()}

    def substituted(self, argument) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})

        def one(found: re.Match) -> str:
            name = found[1]
            if name in own:
                return str(self.value(own[name]))
            return self.attribute(*name.split(".", 1)) if "." in name else self.reference(name)

        return re.sub(r"\$\{([^!}]+)\}", one, text)

    def statements(self) -> list[Statement]:
        """Every statement of every role and managed policy."""
        found = []
        for logical, resource in self.resources.items():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::IAM::Role":
                found += self.of_document(logical, properties["AssumeRolePolicyDocument"], trust=True)
                for policy in properties.get("Policies", []):
                    found += self.of_document(logical, policy["PolicyDocument"])
            elif resource["Type"] in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
                found += self.of_document(logical, properties["PolicyDocument"])
        return found

    def of_document(self, owner: str, document: dict, trust: bool = False) -> list[Statement]:
        return [self.statement(owner, self.value(raw), trust) for one in listed(document["Statement"]) for raw in either(one)]

    def statement(self, owner: str, raw: dict, trust: bool) -> Statement:
        unknown = set(raw) - {"Sid", "Effect", "Action", "Resource", "Condition", "Principal"}
        if unknown:
            raise ValueError(f"{owner}: {', '.join(sorted(unknown))} in a statement is not understood")
        conditions = [
            (operator, key, tuple(str(value) for value in listed(values)))
            for operator, pairs in raw.get("Condition", {}).items()
            for key, values in pairs.items()
        ]
        principals = [name for names in raw.get("Principal", {}).values() for name in listed(names)]
        return Statement(
            owner, trust, raw["Effect"], tuple(listed(raw["Action"])), tuple(listed(raw.get("Resource", []))), tuple(conditions), tuple(principals)
        )


def either(statement: dict) -> list[dict]:
    """A statement that depends on a condition is one of the policy's all the same, whichever way."""
    if "Fn::If" not in statement:
        return [statement]
    return [raw for branch in statement["Fn::If"][1:] if branch != {"Ref": "AWS::NoValue"} for raw in either(branch)]


def listed(value) -> list:
    """A policy has one of a thing, or a list of them."""
    return value if isinstance(value, list) else [value]


@functools.cache
def deployed() -> Template:
    """The template that transform.py left."""
    return Template(json.loads(RESULT.read_text()))
