"""The template with its conditions and functions worked out, as CloudFormation would for the parameters given."""

import pathlib
import re

import yaml

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PATH = REPOSITORY / "infra" / "template.yaml"
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::StackName": "mayfly",
    "AWS::StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/mayfly/6f0f3c60-9d0a-11f0-a5b5-0affd5a1b2c3",
    "AWS::URLSuffix": "amazonaws.com",
}
NO_VALUE = object()


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: `!Sub x` becomes {"Fn::Sub": x}."""


def _short_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {"Ref" if suffix == "Ref" else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", _short_form)


def written(path=PATH):
    """The template as it is written."""
    return yaml.load(path.read_text(), Loader)


class Template:
    """The template for one set of parameters."""

    def __init__(self, path=PATH, **parameters):
        self.raw = written(path)
        defaults = {name: each.get("Default", f"<{name}>") for name, each in self.raw["Parameters"].items()}
        unknown = parameters.keys() - defaults.keys()
        assert not unknown, unknown
        self.parameters = {**defaults, **parameters}
        self.conditions = {name: self.value(rule) for name, rule in self.raw["Conditions"].items()}
        self.resources = {
            name: self.value(each)
            for name, each in self.raw["Resources"].items()
            if self.conditions.get(each.get("Condition"), True)
        }

    def of_type(self, kind):
        return {name: each["Properties"] for name, each in self.resources.items() if each["Type"] == kind}

    def functions(self):
        return self.of_type("AWS::Serverless::Function")

    def statements(self, role):
        """What a role may do: its own policies."""
        policies = self.resources[role]["Properties"].get("Policies", [])
        return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]

    def reference(self, name):
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.parameters:
            value = self.parameters[name]
            listed = self.raw["Parameters"][name]["Type"].startswith("List<")
            return value.split(",") if listed else value
        return PSEUDO.get(name, f"<{name}>")

    def value(self, node):
        if isinstance(node, list):
            return [each for each in map(self.value, node) if each is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (key, argument), = node.items()
            if key == "Ref":
                return self.reference(argument)
            if key.startswith("Fn::"):
                return getattr(self, "_" + key[4:].lower())(argument)
        values = {key: self.value(each) for key, each in node.items()}
        return {key: each for key, each in values.items() if each is not NO_VALUE}

    def _if(self, argument):
        condition, yes, no = argument
        return self.value(yes if self.conditions[condition] else no)

    def _equals(self, argument):
        one, other = map(self.value, argument)
        return one == other

    def _not(self, argument):
        return not self.value(argument[0])

    def _getatt(self, argument):
        name, attribute = argument
        return f"<{name}.{attribute}>"

    def _join(self, argument):
        separator, parts = argument
        return separator.join(self.value(parts))

    def _select(self, argument):
        index, parts = argument
        return self.value(parts)[int(index)]

    def _split(self, argument):
        separator, text = argument
        return self.value(text).split(separator)

    def _sub(self, argument):
        text, own = argument if isinstance(argument, list) else (argument, {})
        own = {name: self.value(each) for name, each in own.items()}

        def of(match):
            name = match.group(1)
            if name.startswith("!"):  # Stays as it is, without the mark.
                return f"${{{name[1:]}}}"
            if name in own:
                return own[name]
            return self._getatt(name.split(".", 1)) if "." in name else self.reference(name)

        return re.sub(r"\$\{([^}]+)\}", of, text)


def listed(value):
    return value if isinstance(value, list) else [value]
