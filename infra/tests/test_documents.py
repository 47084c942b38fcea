"""What comments cite is there for those who read them."""

import re
import subprocess
import unittest

from template import REPOSITORY

# `docs/RELIABILITY.md`, `RELIABILITY.md`, `DESIGN §4`: a document of this repository, by its name in capitals.
CITED = re.compile(r"(?:[\w./-]*/)?\b[A-Z]{4,}\.md\b|\b[A-Z]{4,} §\d")


class Documents(unittest.TestCase):
    def test_every_document_that_is_cited_is_in_this_repository(self):
        listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")
        ours = {path.rsplit("/", 1)[-1] for path in listed}
        cited, unknown = 0, []
        for path in listed:
            if not path.endswith((".rs", ".py", ".sh", ".md", ".yaml", ".toml", "Makefile")):
                continue
            for found in CITED.findall((REPOSITORY / path).read_text()):
                cited += 1
                if path != "infra/tests/test_documents.py" and found.rsplit("/", 1)[-1] not in ours:
                    unknown.append(f"{path}: {found}")
        self.assertEqual(unknown, [])
        self.assertGreater(cited, 20)


if __name__ == "__main__":
    unittest.main()
