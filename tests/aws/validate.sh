#!/usr/bin/env bash
# Holds the template to what AWS accepts. `make validate` calls it, which sets PATH.
set -euxo pipefail
cd "$(dirname "$0")/../.."

(cd infra && sam validate --lint --template-file template.yaml --region us-east-1)

# Three partitions. What the transform leaves is linted, too, which cfn-lint by itself does not look at.
python tests/aws/transform.py
cfn-lint infra/template.yaml target/aws/template.json --regions us-east-1 eu-central-1 ap-southeast-2 us-gov-west-1 cn-north-1

python tests/aws/permissions.py
