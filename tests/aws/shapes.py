"""Whether a request to AWS has the form that AWS says it has: botocore's service models, and all that they tell of a shape.

botocore's own validator knows members, types and least lengths; what AWS refuses besides (greatest lengths, patterns, values that are not in a list) is
in the same models and checked here, too.
"""

import base64
import binascii
import dataclasses
import functools
import json
import re
import urllib.parse

import botocore.session
import cbor2
from botocore.model import OperationModel, Shape
from botocore.validate import ParamValidator

SERVICES = ("cloudwatch", "dynamodb", "ecs", "iam", "logs", "service-quotas", "sqs", "ssm", "sts")


@dataclasses.dataclass(frozen=True)
class Call:
    """One request, as far as its form matters."""

    service: str
    operation: str
    input: dict

    def __str__(self) -> str:
        return f"{self.service}:{self.operation}"


@functools.cache
def model(service: str):
    """botocore's model of a service."""
    return botocore.session.get_session().get_service_model(service)


@functools.cache
def services_by(key: str) -> dict[str, str]:
    """Services by something that their requests carry."""
    return {model(service).metadata[key]: service for service in SERVICES if key in model(service).metadata}


def understood(line: dict) -> Call:
    """The call that a recorded request makes. Raises ValueError if it makes none that botocore knows."""
    headers, body = line["headers"], base64.b64decode(line["body"])
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        _, _, name, _, operation = line["path"].split("/")
        matching = [service for service in SERVICES if name in (model(service).metadata.get("targetPrefix"), model(service).metadata["serviceId"])]
        # The protocol names a service by its Smithy shape, which the models of botocore keep as the target's prefix.
        return Call(only(matching, name), operation, cbor2.loads(body) if body else {})
    if "x-amz-target" in headers:
        prefix, _, operation = headers["x-amz-target"].rpartition(".")
        return Call(services_by("targetPrefix")[prefix], operation, json.loads(body))
    form = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
    scope = headers["authorization"].split("Credential=")[1].split(",")[0].split("/")[3]
    service = only([service for service in SERVICES if model(service).signing_name == scope], scope)
    operation, _ = form.pop("Action"), form.pop("Version")
    return Call(service, operation, form)


def only(found: list[str], name: str) -> str:
    if len(found) != 1:
        raise ValueError(f"{name} means {found or 'no service'}")
    return found[0]


def operation(call: Call) -> OperationModel | None:
    service = model(call.service)
    return service.operation_model(call.operation) if call.operation in service.operation_names else None


def problems(call: Call) -> list[str]:
    """What AWS would not take about a call."""
    known = operation(call)
    if known is None:
        return [f"{call.service} has no operation {call.operation}"]
    if known.input_shape is None:
        return [] if not call.input else [f"{call} has no input"]
    report = ParamValidator().validate(call.input, known.input_shape)
    found = [report.generate_report()] if report.has_errors() else []
    return found + limits(known.input_shape, call.input, call.operation)


def limits(shape: Shape, value, place: str) -> list[str]:
    """What botocore's validator leaves out, from here down."""
    if shape.type_name == "structure" and isinstance(value, dict):
        # DynamoDB's values are no union to the model, but for DynamoDB.
        union = getattr(shape, "is_tagged_union", False) or shape.name == "AttributeValue"
        found = [f"{place}: exactly one of its members"] if union and len(value) != 1 else []
        for name, member in value.items():
            if name in shape.members:
                found += limits(shape.members[name], member, f"{place}.{name}")
        return found
    if shape.type_name == "list" and isinstance(value, list):
        found = too_many(shape, len(value), place, "members")
        return found + [problem for at, member in enumerate(value) for problem in limits(shape.member, member, f"{place}[{at}]")]
    if shape.type_name == "map" and isinstance(value, dict):
        found = too_many(shape, len(value), place, "members")
        for key, member in value.items():
            found += limits(shape.key, key, f"{place} (key)") + limits(shape.value, member, f"{place}.{key}")
        return found
    if shape.type_name == "string" and isinstance(value, str):
        return text_limits(shape, value, place)
    if shape.type_name == "blob" and isinstance(value, str):
        return blob_limits(value, place)
    if shape.type_name in ("integer", "long") and isinstance(value, int) and not isinstance(value, bool):
        return too_many(shape, value, place, "")
    return []


def too_many(shape: Shape, size: int, place: str, what: str) -> list[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    found = [f"{place}: {size} {what} are less than {least}"] if least is not None and size < least else []
    return found + ([f"{place}: {size} {what} are more than {most}"] if most is not None and size > most else [])


def text_limits(shape: Shape, value: str, place: str) -> list[str]:
    found = too_many(shape, len(value), place, "characters")
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        found.append(f"{place}: {value!r} is none of {', '.join(allowed)}")
    pattern = shape.metadata.get("pattern")
    if pattern and not re.search(java(pattern), value):
        found.append(f"{place}: {value!r} does not match {pattern}")
    return found


def java(pattern: str) -> str:
    """The models' patterns are Java's: matched as a whole, and with classes that Python names otherwise."""
    return "^(?:" + pattern.replace(r"\p{L}", r"\w").replace(r"\p{N}", "").replace(r"\p{Z}", r"\s") + ")$"


def blob_limits(value: str, place: str) -> list[str]:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error as error:
        return [f"{place}: {error}"]
    return []
