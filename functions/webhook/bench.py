"""What a delivery costs, against its limits: start-up, time, CPU and memory of the webhook function, or what can be counted.

    python3 functions/webhook/bench.py target/lambda/mayfly-webhook/bootstrap
    python3 functions/webhook/bench.py --counts [--without-lto] target/lambda/mayfly-webhook/bootstrap

Plays Lambda's runtime API and answers AWS calls at once, in one loop and on loopback, so that the figures are the function's
own and the kernel's. Linux only. Exits with 1 if a figure is over its limit.

Times need a machine that does nothing else. Counts are the same on a busy one, so `make test` has them: AWS calls, bytes of the log
and the archive, memory, and instructions where valgrind is installed. (Valgrind's processor has no SHA extensions: of time spent on
SHA-256 the instructions say nothing.)
"""

import argparse
import json
import os
import platform
import re
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
import zlib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
EVENTS = REPOSITORY / "events/webhook"
SECRET = "It's a Secret to Everybody"  # What the event files are signed with.
STARTS, WARM_UP, DELIVERIES = 15, 50, 2000
LIMITS = {
    "start to ready, ms": 10,
    "start to first answer, ms": 20,
    "a delivery, p50, ms": 0.9,
    "a delivery, CPU, ms": 0.7,
    "peak memory, MB": 14,
    "archive, MB": 2.5,
}
# A tenth above what they are, or what they are where more would be another design.
COUNT_LIMITS = {
    "AWS calls of a first delivery": 6,
    "AWS calls of a delivery": 3,
    "AWS calls of a wrong signature": 0,
    "bytes of the log of a delivery": 400,
    "bytes of the archive": 2_500_000,
    "peak memory, kB": 8_500,
    "instructions to first answer": 6_900_000,
    "instructions of a delivery": 2_400_000,
    "instructions of a wrong signature": 650_000,
}
# The same of a build without link-time optimisation, as tests have it: a tenth above what they are.
UNLINKED_LIMITS = COUNT_LIMITS | {
    "bytes of the archive": 3_100_000,
    "peak memory, kB": 9_800,
    "instructions to first answer": 8_000_000,
    "instructions of a delivery": 2_850_000,
    "instructions of a wrong signature": 745_000,
}
COUNTED = 100


def parameters():
    pools = (REPOSITORY / "infra/local/pools.toml").read_text()
    return {"/mayfly/bench/pools": pools, "/mayfly/bench/webhook-secret": json.dumps({"current": SECRET})}


def aws(operation, request, stored=parameters()):
    """The answer of an AWS that knows two parameters and an empty table."""
    if operation == "GetParameters":
        return {"Parameters": [{"Name": n, "Value": stored[n], "Version": 1} for n in request["Names"] if n in stored]}
    if operation == "SendMessage":
        # The SDK checks the MD5 of what it sent only if it is told one.
        return {"MessageId": str(uuid.uuid4())}
    return {}


class Function:
    """One process of the function and the two servers that it talks to."""

    def __init__(self, command, event, log=subprocess.DEVNULL):
        self.event, self.expected = event, 0
        self.selector, self.buffers = selectors.DefaultSelector(), {}
        self.calls, self.answer, self.waiting = [], None, None
        runtime, endpoint = self.listen("runtime"), self.listen("aws")
        environment = {
            "AWS_LAMBDA_RUNTIME_API": runtime,
            "AWS_ENDPOINT_URL": f"http://{endpoint}",
            "AWS_LAMBDA_FUNCTION_NAME": "webhook",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "MAYFLY_STACK": "bench",
            "MAYFLY_ACCOUNT": "000000000000",
            "MAYFLY_TABLE": "bench",
            "MAYFLY_WAKE_QUEUE_URL": f"http://{endpoint}/000000000000/wakes.fifo",
            "MAYFLY_CLUSTER": "arn:aws:ecs:eu-west-1:000000000000:cluster/bench",
            "MAYFLY_POOLS_PARAMETER": "/mayfly/bench/pools",
            "MAYFLY_METRICS_NAMESPACE": "Mayfly/bench/id",
            "MAYFLY_WEBHOOK_SECRET_PARAMETER": "/mayfly/bench/webhook-secret",
        }
        self.started = time.perf_counter()
        errors = None if log == subprocess.DEVNULL else subprocess.STDOUT
        self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=errors)
        while self.waiting is None:
            self.turn()
        self.ready_ms = (time.perf_counter() - self.started) * 1000

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Valgrind tells what it counted when it is asked to end.
        self.process.terminate()
        self.process.wait()
        for connection in [key.fileobj for key in self.selector.get_map().values()]:
            connection.close()

    def listen(self, server):
        listener = socket.create_server(("127.0.0.1", 0))
        self.selector.register(listener, selectors.EVENT_READ, ("listen", server))
        return "%s:%d" % listener.getsockname()

    def turn(self):
        """Serves whatever came in."""
        ready = self.selector.select(60)
        if not ready or self.process.poll() is not None:
            sys.exit("the function does not answer, or ended")
        for key, _ in ready:
            what, server = key.data
            if what == "listen":
                connection, _ = key.fileobj.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.buffers[connection] = b""
                self.selector.register(connection, selectors.EVENT_READ, ("talk", server))
                continue
            received = key.fileobj.recv(1 << 18)
            if not received:
                self.selector.unregister(key.fileobj)
                key.fileobj.close()
                continue
            self.buffers[key.fileobj] += received
            self.requests(key.fileobj, self.runtime if server == "runtime" else self.aws)

    def requests(self, connection, serve):
        while (end := self.buffers[connection].find(b"\r\n\r\n")) >= 0:
            first, *lines = self.buffers[connection][:end].decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body_end = end + 4 + int(headers.get("content-length", 0))
            if len(self.buffers[connection]) < body_end:
                return
            body = self.buffers[connection][end + 4 : body_end]
            self.buffers[connection] = self.buffers[connection][body_end:]
            serve(connection, first, headers, body)

    def runtime(self, connection, first, _headers, body):
        if first.startswith("GET") and "/invocation/next" in first:
            self.waiting = connection
        elif "/response" in first:
            self.answer = (time.perf_counter(), json.loads(body)["statusCode"])
            send(connection, 202, b"{}")
        else:
            sys.exit(f"the function failed: {first} {body.decode()}")

    def aws(self, connection, _first, headers, body):
        operation = headers["x-amz-target"].rpartition(".")[2]
        self.calls.append(operation)
        send(connection, 200, json.dumps(aws(operation, json.loads(body))).encode())

    def deliver(self, status):
        """Hands over the event and waits for the answer, and until the function is ready again. Seconds that the answer took."""
        connection, self.waiting, self.answer = self.waiting, None, None
        deadline = int((time.time() + 10) * 1000)
        headers = f"lambda-runtime-aws-request-id: {uuid.uuid4()}\r\nlambda-runtime-deadline-ms: {deadline}\r\n"
        headers += "lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-west-1:000000000000:function:webhook\r\n"
        began = time.perf_counter()
        send(connection, 200, self.event, headers)
        while self.answer is None or self.waiting is None:
            self.turn()
        answered, got = self.answer
        if got != status:
            sys.exit(f"status {got} instead of {status}")
        self.answered = answered
        return answered - began

    def cpu_ms(self):
        """CPU time of all threads so far: the first number of schedstat, in nanoseconds."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6

    def peak_mb(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def send(connection, status, body, headers=""):
    head = f"HTTP/1.1 {status} -\r\ncontent-type: application/json\r\n{headers}content-length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)


def warm(bootstrap, event, status):
    """p50 of the time and mean of the CPU time of a delivery, in ms; the peak memory in MB; the AWS calls of one delivery."""
    with Function([bootstrap], event) as function:
        for _ in range(WARM_UP):
            function.deliver(status)
        function.calls.clear()
        cpu = function.cpu_ms()
        times = [function.deliver(status) for _ in range(DELIVERIES)]
        calls = sorted({call: function.calls.count(call) / DELIVERIES for call in function.calls}.items())
        return statistics.median(times) * 1000, (function.cpu_ms() - cpu) / DELIVERIES, function.peak_mb(), calls


def events():
    return (EVENTS / "queued.json").read_bytes(), (EVENTS / "bad-signature.json").read_bytes()


def archive_bytes(bootstrap):
    """What `zip` makes of it, but for some hundred bytes."""
    return len(zlib.compress(Path(bootstrap).read_bytes(), 9))


def tell(figures, limits):
    """Prints each figure beside its limit; whether one is over it."""
    for what, figure in figures.items():
        over = "   OVER" if figure > limits[what] else ""
        print(f"{what:34} {figure:12,.10g}   limit {limits[what]:10,}{over}")
    return any(figure > limits[what] for what, figure in figures.items())


def counted(bootstrap, event, status, deliveries, tool=()):
    """One process that answers so many deliveries: its calls to AWS one by one, its peak memory in kB, and what it wrote."""
    with tempfile.TemporaryFile() as log:
        with Function([*tool, bootstrap], event, log) as function:
            calls = []
            for _ in range(deliveries):
                function.calls.clear()
                function.deliver(status)
                calls.append(len(function.calls))
            peak = int(function.peak_mb() * 1000)
        log.seek(0)
        return calls, peak, log.read()


def instructions(bootstrap, event, status, deliveries):
    tool = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
    *_, log = counted(bootstrap, event, status, deliveries, tool)
    collected = re.search(rb"Collected : (\d+)", log)
    return int(collected[1]) if collected else sys.exit(f"valgrind did not tell what it counted: {log.decode()}")


def counts(bootstrap, limits):
    """Whether one of the counts is over its limit."""
    queued, unsigned = events()
    calls, peak, log = counted(bootstrap, queued, 202, COUNTED)
    one_call, _, one_log = counted(bootstrap, queued, 202, 1)
    refused, *_ = counted(bootstrap, unsigned, 401, COUNTED)
    figures = {
        "AWS calls of a first delivery": max(one_call),
        "AWS calls of a delivery": max(calls[1:]),
        # The first one reads the secret.
        "AWS calls of a wrong signature": max(refused[1:]),
        "bytes of the log of a delivery": round((len(log) - len(one_log)) / (COUNTED - 1)),
        "bytes of the archive": archive_bytes(bootstrap),
        "peak memory, kB": peak,
    }
    if not shutil.which("valgrind"):
        print("instructions are not counted: valgrind is not installed")
    elif platform.machine() != "x86_64":
        print("instructions are not counted: their limits are those of x86_64")
    else:
        first = instructions(bootstrap, queued, 202, 1)
        figures["instructions to first answer"] = first
        figures["instructions of a delivery"] = (instructions(bootstrap, queued, 202, COUNTED + 1) - first) // COUNTED
        few = instructions(bootstrap, unsigned, 401, 1)
        figures["instructions of a wrong signature"] = (instructions(bootstrap, unsigned, 401, COUNTED + 1) - few) // COUNTED
    return tell(figures, limits)


def times(bootstrap):
    """Whether one of the times, or the size or memory, is over its limit."""
    queued, unsigned = events()
    ready, first = [], []
    for _ in range(STARTS):
        with Function([bootstrap], queued) as function:
            function.deliver(202)
            ready.append(function.ready_ms)
            first.append((function.answered - function.started) * 1000)
    time_ms, cpu_ms, peak_mb, calls = warm(bootstrap, queued, 202)
    archive = archive_bytes(bootstrap) / 1e6
    figures = [statistics.median(ready), statistics.median(first), time_ms, cpu_ms, peak_mb, archive]
    over = tell({what: round(figure, 3) for what, figure in zip(LIMITS, figures)}, LIMITS)
    refused_ms, refused_cpu, *_ = warm(bootstrap, unsigned, 401)
    print(f"{'a wrong signature, p50, ms':34} {refused_ms:12.3f}\n{'a wrong signature, CPU, ms':34} {refused_cpu:12.3f}")
    print("AWS calls of a delivery:", ", ".join(f"{name} {count:g}" for name, count in calls))
    return over


def main():
    parser = argparse.ArgumentParser(description="what a delivery costs the webhook function")
    parser.add_argument("bootstrap", type=os.path.abspath, help="the function's program")
    parser.add_argument("--counts", action="store_true", help="what can be counted instead of times")
    parser.add_argument("--without-lto", action="store_true", help="counts of a build without link-time optimisation")
    asked = parser.parse_args()
    limits = UNLINKED_LIMITS if asked.without_lto else COUNT_LIMITS
    sys.exit(counts(asked.bootstrap, limits) if asked.counts else times(asked.bootstrap))


main()
