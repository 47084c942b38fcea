"""MiniStack as it is, and beside it a record of every request of the product to an AWS API: recorder.py <file>, then as `ministack`.

One line of JSON for each request, with who made it: MiniStack knows which role a session's key belongs to. recorded.py reads it.
"""

import base64
import json
import os
import sys

import ministack.app
from ministack.core.iam_evaluator import request_caller_arn

# What tells which operation of which service was called, by whom and with what.
HEADERS = ("authorization", "content-type", "smithy-protocol", "x-amz-target")
# What the product calls AWS with; `sam` and the tests themselves do not. What it signs itself (cli/src/deployment/iam.rs) names nothing, but a session's key.
SDK = "aws-sdk-rust/"
SESSION = "Credential=ASIA"


def recording(app, file: int):
    """The application, with each request written down when it was answered."""

    async def with_record(scope, receive, send):
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", [])}
        bare = "user-agent" not in headers and SESSION in headers.get("authorization", "")
        if scope["type"] != "http" or not (bare or SDK in headers.get("user-agent", "")):
            return await app(scope, receive, send)
        body, answer, whole = bytearray(), bytearray(), False
        caller = request_caller_arn(headers)

        async def listening():
            nonlocal whole
            message = await receive()
            body.extend(message.get("body", b""))
            # A function that is killed leaves a part of a request.
            whole = whole or (message["type"] == "http.request" and not message.get("more_body", False))
            return message

        async def answering(message):
            answer.extend(message.get("body", b""))
            await send(message)

        try:
            return await app(scope, listening, answering)
        finally:
            line = {
                "path": scope["path"], "caller": caller, "body": base64.b64encode(bytes(body)).decode(), "denied": b"AccessDenied" in answer[:400],
                "headers": {name: headers[name] for name in HEADERS if name in headers},
            }  # fmt: skip
            # One write, at the end of the file whatever else writes there.
            if whole:
                os.write(file, json.dumps(line).encode() + b"\n")

    return with_record


def main() -> None:
    file = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    ministack.app.app = recording(ministack.app.app, file)
    ministack.app.main()


if __name__ == "__main__":
    main()
