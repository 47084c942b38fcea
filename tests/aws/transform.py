"""What CloudFormation makes of infra/template.yaml: the SAM transform, by the translator that `sam` itself uses, into target/aws/template.json.

cfn-lint does not look behind the transform; what it leaves is what is deployed, and what `make validate` and permissions.py hold to rules.
"""

import json
import pathlib

import yaml
from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "infra" / "template.yaml"
RESULT = ROOT / "target" / "aws" / "template.json"


class NoManagedPolicies:
    """The template names AWS's managed policies by nothing that would have to be looked up at AWS."""

    def load(self) -> dict:
        return {}


def transformed(source: pathlib.Path = TEMPLATE) -> dict:
    """The template without the transform. Raises if SAM takes it for invalid."""
    validator = SamTemplateValidator(yaml_parse(source.read_text()), NoManagedPolicies(), region="us-east-1")
    result = yaml.safe_load(validator.get_translated_template_if_valid())
    # What only `sam build` reads stays behind.
    for resource in result["Resources"].values():
        resource.pop("Metadata", None)
    return result


def main() -> None:
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(transformed(), indent=1))


if __name__ == "__main__":
    main()
