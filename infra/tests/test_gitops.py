"""examples/gitops: the workflow is pinned and has no more rights than it needs, and its roles may do what mayfly plan and apply ask AWS for, no more."""

import fnmatch
import re
import subprocess
import unittest

import yaml

from template import REPOSITORY, Template, listed
from test_workflows import PINNED, WORKFLOWS

FOLDER = REPOSITORY / "examples" / "gitops"
WORKFLOW, ROLES = FOLDER / "workflow.yml", FOLDER / "roles.yaml"
# What the program asked AWS for: cli/tests/mayfly/aws.rs, `what_plan_and_apply_ask_aws_for_is_known`.
ASKED = REPOSITORY / "cli" / "tests" / "mayfly" / "snapshots" / "mayfly__aws__asked_by_plan_and_apply.snap"
STACK = {"Table": "mayfly-Ledger-A1B2", "WakeQueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/mayfly-WakeQueue-A1B2.fifo", "Repository": "acme/platform"}
KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
# Asked for and not granted: what is refused is left out of the plan.
DECLINED = {
    "ssm:GetParameters /mayfly/mayfly/github-app": "anyone who has the App's key is the App: runner groups are not looked up",
    "iam:GetRole": "who may assume a pool's role is for mayfly doctor to tell",
}
# Granted, and asked for only where there is more than the test's AWS has.
RARE = {
    "dynamodb:GetItem job#*": "the jobs that wait in a pool that goes",
    "servicequotas:GetAWSDefaultServiceQuota": "the account was never given a quota of its own",
}
# Asked for without a permission.
FREE = {"sts:GetCallerIdentity"}


def asked(command):
    text = ASKED.read_text().split("---\n", 2)[2]
    lines = [line.split(" ", 1) for line in text.splitlines()]
    return {rest for name, rest in lines if name == command}


def grants(template, role):
    """Each action with each of its resources, and the first keys of items that it is limited to."""
    properties = template.resources[role]["Properties"]
    statements = [statement for policy in properties.get("Policies", []) for statement in policy["PolicyDocument"]["Statement"]]
    for name in properties["ManagedPolicyArns"]:
        statements += template.resources[name.strip("<>")]["Properties"]["PolicyDocument"]["Statement"]
    found = set()
    for statement in statements:
        keys = statement.get("Condition", {}).get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys", [None])
        for action in listed(statement["Action"]):
            found |= {(action, resource, key) for resource in listed(statement["Resource"]) for key in keys}
    return found


def arn(about, action):
    """The resource and the first key that a line of the list is about."""
    service = action.split(":")[0]
    if service == "ssm":
        return f"arn:aws:ssm:eu-west-1:123456789012:parameter{about}", None
    if service == "dynamodb":
        return "arn:aws:dynamodb:eu-west-1:123456789012:table/mayfly-Ledger-A1B2", about
    if service == "sqs":
        return "arn:aws:sqs:eu-west-1:123456789012:mayfly-WakeQueue-A1B2.fifo", None
    return "*", None


def allowing(granted, line):
    action, _, about = line.partition(" ")
    resource, key = arn(about, action)
    return {one for one in granted if one[0] == action and one[2] == key and fnmatch.fnmatchcase(resource, one[1])}


class Roles(unittest.TestCase):
    def test_cfn_lint_has_no_complaint(self):
        command = ["cfn-lint", str(ROLES), "--regions", "us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_each_may_do_what_its_command_asks_for_and_nothing_else(self):
        template = Template(path=ROLES, **STACK)
        for role, command in (("PlanRole", "plan"), ("ApplyRole", "apply")):
            granted, used = grants(template, role), set()
            lines = asked(command)
            self.assertGreater(len(lines), 6, command)
            for line in lines | set(RARE):
                found = allowing(granted, line)
                if line in DECLINED or line in FREE:
                    self.assertEqual(found, set(), f"{role}: {line}")
                else:
                    self.assertTrue(found, f"{role} may not {line}")
                used |= found
            self.assertEqual(granted - used, set(), f"{role} may do what mayfly {command} does not ask for")
        self.assertEqual([line for line in DECLINED if line not in asked("plan")], [], "no one asks for it")
        self.assertEqual([line for line in RARE if line in asked("plan")], [], "it is not rare")

    def test_a_pull_request_plans_and_the_environment_applies(self):
        for repository in ("acme/platform", "acme-123456/platform-456789"):
            template = Template(path=ROLES, **STACK | {"Repository": repository})
            trusted = {"PlanRole": [f"repo:{repository}:pull_request", f"repo:{repository}:ref:refs/heads/main"], "ApplyRole": [f"repo:{repository}:environment:mayfly"]}
            for role, subjects in trusted.items():
                (statement,) = template.resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
                self.assertEqual(statement["Action"], "sts:AssumeRoleWithWebIdentity")
                issuer = "token.actions.githubusercontent.com"
                equals = statement["Condition"].pop("StringEquals")
                self.assertEqual((statement["Condition"], equals.keys()), ({}, {f"{issuer}:aud", f"{issuer}:sub"}))
                self.assertEqual((equals[f"{issuer}:aud"], listed(equals[f"{issuer}:sub"])), ("sts.amazonaws.com", subjects))

    def test_no_name_can_have_a_wildcard(self):
        for name, parameter in Template(path=ROLES, **STACK).raw["Parameters"].items():
            for bad in ("*", "acme/*", "*/platform", "acme/platform:ref", "acme/plat?orm"):
                self.assertIsNone(re.fullmatch(parameter["AllowedPattern"], bad), name)

    def test_the_provider_is_made_or_given(self):
        given = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
        self.assertIn("Provider", Template(path=ROLES, **STACK).resources)
        template = Template(path=ROLES, **STACK, OidcProviderArn=given)
        self.assertNotIn("Provider", template.resources)
        for role in ("PlanRole", "ApplyRole"):
            (statement,) = template.resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            self.assertEqual(statement["Principal"], {"Federated": given})

    def test_a_key_is_used_by_way_of_the_services_only(self):
        without = {action for role in ("PlanRole", "ApplyRole") for action, _, _ in grants(Template(path=ROLES, **STACK), role) if action.startswith("kms:")}
        self.assertEqual(without, set())
        template = Template(path=ROLES, **STACK, KmsKeyArn=KEY)
        for resource in template.resources.values():
            policies = [resource["Properties"], *resource["Properties"].get("Policies", [])]
            for statement in [one for policy in policies for one in policy.get("PolicyDocument", {}).get("Statement", [])]:
                if "kms:Decrypt" in listed(statement["Action"]):
                    self.assertEqual(statement["Resource"], KEY)
                    self.assertIn("kms:ViaService", statement["Condition"]["StringEquals"])


class Workflow(unittest.TestCase):
    def setUp(self):
        self.text = WORKFLOW.read_text()
        self.workflow = yaml.safe_load(self.text)

    def test_every_action_is_pinned_as_in_this_repository_s_own(self):
        uses = [line.split("uses:", 1)[1].strip() for line in self.text.splitlines() if "uses:" in line]
        self.assertGreater(len(uses), 3)
        self.assertEqual([use for use in uses if not PINNED.fullmatch(use)], [])
        own = {use for path in WORKFLOWS for use in re.findall(r"uses: (.*)", path.read_text())}
        names = {use.split("@")[0] for use in own}
        self.assertEqual([use for use in uses if use.split("@")[0] in names and use not in own], [])

    def test_no_job_has_more_rights_than_it_needs(self):
        self.assertEqual(self.workflow["permissions"], {})
        aws = {"contents": "read", "id-token": "write"}
        rights = {name: job["permissions"] for name, job in self.workflow["jobs"].items()}
        self.assertEqual(rights, {"plan": aws | {"pull-requests": "write"}, "apply": aws, "drift": aws})
        self.assertNotIn("pull_request_target", self.workflow[True])
        for name, job in self.workflow["jobs"].items():
            self.assertLessEqual(job.get("timeout-minutes", 360), 30, name)
            for step in job["steps"]:
                if step.get("uses", "").startswith("actions/checkout@"):
                    self.assertIs(step["with"]["persist-credentials"], False, name)

    def test_each_job_has_the_role_of_what_it_runs(self):
        for name, role in (("plan", "MAYFLY_PLAN_ROLE"), ("apply", "MAYFLY_APPLY_ROLE"), ("drift", "MAYFLY_PLAN_ROLE")):
            job = self.workflow["jobs"][name]
            (assumed,) = [step["with"]["role-to-assume"] for step in job["steps"] if "aws-actions/" in step.get("uses", "")]
            self.assertEqual(assumed, f"${{{{ vars.{role} }}}}")
            self.assertEqual(job.get("environment"), "mayfly" if name == "apply" else None)
        self.assertEqual(Template(path=ROLES, **STACK).parameters["Environment"], "mayfly")

    def test_nothing_that_others_write_is_put_into_a_script(self):
        for job in self.workflow["jobs"].values():
            for step in job["steps"]:
                self.assertNotIn("${{", step.get("run", ""))

    def test_every_command_and_option_exists(self):
        runs = [word for job in self.workflow["jobs"].values() for step in job["steps"] for word in re.findall(r"^mayfly .*", step.get("run", ""), re.MULTILINE)]
        self.assertEqual({run.split(" > ")[0] for run in runs}, {
            "mayfly check pools.toml", "mayfly plan --format github pools.toml", "mayfly plan --exit-code pools.toml", "mayfly apply --yes pools.toml",
        })

    def test_scripts_have_no_fault_that_shellcheck_finds(self):
        for job in self.workflow["jobs"].values():
            for step in job["steps"]:
                if "run" in step:
                    done = subprocess.run(["shellcheck", "--shell=bash", "-"], input=step["run"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                    self.assertEqual((done.returncode, done.stdout), (0, ""), step["run"])


if __name__ == "__main__":
    unittest.main()
