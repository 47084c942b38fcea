"""What GitHub runs for this repository: pinned, with no more rights than it needs, and only what exists."""

import os
import re
import unittest

import yaml

from template import REPOSITORY

GITHUB = REPOSITORY / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.y*ml"))
# owner/name[/path]@<commit> # v1.2.3
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):(?!=)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


def parsed(path):
    """A workflow. YAML 1.1 reads its key `on` as true."""
    return yaml.safe_load(path.read_text())


def steps():
    for path in WORKFLOWS:
        for name, job in parsed(path)["jobs"].items():
            for step in job["steps"]:
                yield f"{path.name}, {name}", step


class Workflows(unittest.TestCase):
    def test_there_is_one(self):
        self.assertTrue(WORKFLOWS)

    def test_every_action_is_pinned_by_its_commit_and_says_which_version_that_is(self):
        lines = [line.split("uses:", 1)[1].strip() for path in WORKFLOWS for line in path.read_text().splitlines() if "uses:" in line]
        self.assertEqual(len(lines), sum("uses" in step for _, step in steps()))
        self.assertEqual([line for line in lines if not PINNED.fullmatch(line)], [])

    def test_an_action_has_one_version_everywhere(self):
        versions = {}
        for _, step in steps():
            if "uses" in step:
                action, commit = step["uses"].split("@")
                versions.setdefault(action, set()).add(commit)
        self.assertEqual({action: found for action, found in versions.items() if len(found) > 1}, {})

    def test_nothing_may_write_and_checkout_leaves_no_token_behind(self):
        for path in WORKFLOWS:
            workflow = parsed(path)
            self.assertEqual(workflow["permissions"], {"contents": "read"}, path.name)
            self.assertEqual([name for name, job in workflow["jobs"].items() if "permissions" in job], [])
            self.assertNotIn("pull_request_target", workflow[True])
        for where, step in steps():
            if step.get("uses", "").startswith("actions/checkout@"):
                self.assertIs(step["with"]["persist-credentials"], False, where)

    def test_every_job_has_an_end(self):
        for path in WORKFLOWS:
            for name, job in parsed(path)["jobs"].items():
                self.assertLessEqual(job.get("timeout-minutes", 360), 120, f"{path.name}, {name}")

    def test_what_it_runs_exists(self):
        runs = [(where, step["run"].strip()) for where, step in steps() if "run" in step]
        for where, run in runs:
            command, *words = run.split()
            if command == "make":
                self.assertLessEqual(set(words), TARGETS, where)
            else:
                self.assertTrue(os.access(REPOSITORY / command, os.X_OK), f"{where}: {run}")
        self.assertEqual({run for _, run in runs}, {"make check", "make docs", "make test-fast", ".ci/run"})

    def test_what_takes_long_runs_at_night_and_by_hand_only(self):
        workflow = parsed(GITHUB / "workflows" / "ci.yml")
        self.assertEqual(set(workflow[True]), {"push", "pull_request", "schedule", "workflow_dispatch"})
        for name, job in workflow["jobs"].items():
            long = any(step.get("run") == ".ci/run" for step in job["steps"])
            condition = "github.event_name == 'schedule' || github.event_name == 'workflow_dispatch'"
            self.assertEqual(job.get("if"), condition if long else None, name)


class Templates(unittest.TestCase):
    def test_a_bug_report_asks_for_what_finds_the_cause(self):
        form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text())
        required = {field["attributes"]["label"] for field in form["body"] if field.get("validations", {}).get("required")}
        self.assertLessEqual({"`mayfly doctor`", "`mayfly explain <job URL>`", "`mayfly version`"}, required)


class Commands(unittest.TestCase):
    def test_every_make_target_that_a_document_names_exists(self):
        named = 0
        for path in [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md"), *GITHUB.rglob("*.md")]:
            for target in re.findall(r"(?:`|^|\$ )make ([a-z][a-z-]*)", path.read_text(), re.MULTILINE):
                named += 1
                found = target in TARGETS or target.startswith("invoke-")
                self.assertTrue(found, f"{path.relative_to(REPOSITORY)}: make {target}")
        self.assertGreater(named, 10)


if __name__ == "__main__":
    unittest.main()
