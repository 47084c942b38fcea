"""What is installed to build and test is held to its content."""

import re
import unittest

from template import REPOSITORY


class Requirements(unittest.TestCase):
    def setUp(self):
        text = (REPOSITORY / "requirements.txt").read_text().replace("\\\n", " ")
        self.lines = [line for line in text.splitlines() if line and not line.startswith("#")]

    def test_every_package_is_one_version_with_the_hashes_of_its_files(self):
        for line in self.lines:
            self.assertRegex(line, r"^[A-Za-z0-9._-]+==\S+(\s+--hash=sha256:[0-9a-f]{64})+\s*$")

    def test_everything_that_was_chosen_is_there(self):
        name = lambda text: re.sub(r"[-_.]+", "-", text.split("==")[0]).lower()
        pinned = {name(line) for line in self.lines}
        chosen = [line for line in (REPOSITORY / "requirements.in").read_text().splitlines() if line and not line.startswith("#")]
        self.assertEqual([line for line in chosen if name(line) not in pinned], [])

    def test_it_is_installed_so_and_the_command_by_its_lock_file(self):
        makefile, readme = ((REPOSITORY / path).read_text() for path in ("Makefile", "README.md"))
        self.assertRegex(makefile, r"pip install .*--require-hashes.* -r requirements\.txt")
        self.assertEqual(re.findall(r"cargo install (?!--locked)[^\n`]*", readme), [])


if __name__ == "__main__":
    unittest.main()
