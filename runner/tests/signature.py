"""Whether curl signs entrypoint.sh's and job-started.sh's requests exactly as botocore does.

Runs the real scripts against a server on loopback, hands botocore the same request, credentials and time, and
compares the Authorization headers byte by byte. Needs botocore and bash; prints a count like other test runners.
"""

import datetime
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
from unittest import mock

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

RUNNER = pathlib.Path(__file__).resolve().parent.parent
TOKEN = "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQD" + "aB3/+=" * 150
CASES = {
    "plain": dict(secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", base="", region="us-east-1"),
    "a stage in the path": dict(secret="s" * 40, base="/prod", region="eu-central-1"),
    "a longer path": dict(secret="s" * 40, base="/prod-1/v_2.0/~x", region="ap-southeast-2"),
    "every printable character in the secret": dict(
        secret="".join(map(chr, range(0x21, 0x7F))), base="", region="us-gov-west-1"
    ),
}
HOOK = 'env -i GITHUB_RUN_ID=1 GITHUB_RUN_ATTEMPT=1 GITHUB_REPOSITORY_ID=2 GITHUB_REF="$REF" bash -e "$ACTIONS_RUNNER_HOOK_JOB_STARTED"'
REF = 'refs/heads/a"b\\c\nd\tü&%'


class Handler(http.server.BaseHTTPRequestHandler):
    """The credentials endpoint and the registrar in one."""

    def do_GET(self):
        body = {"AccessKeyId": "ASIAIOSFODNN7EXAMPLE", "SecretAccessKey": self.server.secret, "Token": TOKEN}
        self.reply(json.dumps(body))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), body))
        self.reply('{"admitted": true}' if self.path.endswith("/admission") else "QUJD" * 100)

    def reply(self, text):
        self.send_response(200)
        self.send_header("x-mayfly", "1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


def requests_of(secret, base, region):
    """Runs a container that registers and asks for admission; returns the server's address and what it saw."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.secret, server.seen = secret, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    with tempfile.TemporaryDirectory() as home:
        run = pathlib.Path(home, "run.sh")
        run.write_text(f"#!/bin/bash\n{HOOK}\n")
        run.chmod(0o755)
        environment = {
            "PATH": os.environ["PATH"], "HOME": home, "TMPDIR": home, "REF": REF, "MAYFLY_RUNNER_HOME": home,
            "MAYFLY_URL": address + base, "MAYFLY_RUNNER": "linux/01jd3x", "MAYFLY_REGION": region,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": address,
            "RUNNER_ALLOW_RUNASROOT": "1",  # CI runs as root, which is refused otherwise.
        }  # fmt: skip
        texts = [(RUNNER / name).read_text() for name in ("entrypoint.sh", "job-started.sh")]
        command = ["/bin/bash", "-c", texts[0], "mayfly", texts[1]]
        subprocess.run(command, env=environment, check=True, timeout=60, capture_output=True)
    server.shutdown()
    server.server_close()
    return address, server.seen


def botocore_signs(url, headers, body, secret, region):
    """The Authorization header that botocore computes for the same request at the same time."""
    sent = {name.lower(): value for name, value in headers.items()}
    ours = {name: sent[name] for name in ("accept", "content-type")}
    request = AWSRequest("POST", url, headers=ours, data=body)
    moment = datetime.datetime.strptime(sent["x-amz-date"], "%Y%m%dT%H%M%SZ")
    signer = botocore.auth.SigV4Auth(Credentials("ASIAIOSFODNN7EXAMPLE", secret, TOKEN), "execute-api", region)
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda: moment):
        signer.add_auth(request)
    return request.headers["Authorization"]


def main():
    failed = passed = 0
    for name, case in CASES.items():
        address, seen = requests_of(**case)
        paths = [path for path, _, _ in seen]
        assert paths == [case["base"] + "/registration", case["base"] + "/admission"], paths
        for path, headers, body in seen:
            theirs = botocore_signs(address + path, headers, body, case["secret"], case["region"])
            ours = headers["Authorization"]
            if ours == theirs and "x-amz-security-token" in ours and json.loads(body)["runner"] == "linux/01jd3x":
                passed += 1
            else:
                failed += 1
                print(f"{name}, {path}\n  curl     {ours}\n  botocore {theirs}", file=sys.stderr)
        assert json.loads(seen[1][2])["ref"] == REF
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
