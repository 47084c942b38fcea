"""What documents and comments cite is there for those who read them."""

import importlib.util
import re
import subprocess
import unittest
import xml.etree.ElementTree

from template import REPOSITORY

# `docs/RELIABILITY.md`, `RELIABILITY.md`, `PAPER §4`: a document of this repository, by its name in capitals.
CITED = re.compile(r"(?:[\w./-]*/)?\b[A-Z]{4,}\.md\b|\b[A-Z]{4,} §\d")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)
# `crates/domain/src/plan.rs`, as documents name a place in the code.
PLACE = re.compile(r"`((?:crates|functions|cli|tests|infra|runner|events|docs|examples)/[\w./-]*)`")
DOCUMENTS = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")]
WORDS_AT_MOST = 20


def tracked():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True)
    return [path for path in listed.stdout.split("\n") if path and (REPOSITORY / path).is_file()]


def anchors(document):
    """What GitHub makes of a document's headings."""
    prose = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    headings = (re.sub(r"[`*]|\]\([^)]*\)|\[", "", line.lower()) for line in re.findall(r"^#+ (.*)$", prose, re.MULTILINE))
    return {re.sub(r"[^\w\- ]", "", heading.strip()).replace(" ", "-") for heading in headings}


class Documents(unittest.TestCase):
    def test_every_document_that_is_cited_is_in_this_repository(self):
        listed = tracked()
        ours = {path.rsplit("/", 1)[-1] for path in listed}
        cited, unknown = 0, []
        for path in listed:
            if not path.endswith((".rs", ".py", ".sh", ".md", ".yaml", ".yml", ".toml", "Makefile")):
                continue
            for found in CITED.findall((REPOSITORY / path).read_text()):
                cited += 1
                if path != "infra/tests/test_documents.py" and found.rsplit("/", 1)[-1] not in ours:
                    unknown.append(f"{path}: {found}")
        self.assertEqual(unknown, [])
        self.assertGreater(cited, 20)

    def test_every_link_within_the_repository_leads_somewhere(self):
        followed, broken = 0, []
        for document in DOCUMENTS:
            for target in (inline or reference for inline, reference in LINK.findall(document.read_text())):
                if target.startswith("https://"):
                    continue
                followed += 1
                path, _, anchor = target.partition("#")
                there = document.parent / path if path else document
                if not there.exists() or (anchor and anchor not in anchors(there)):
                    broken.append(f"{document.name}: {target}")
        self.assertEqual(broken, [])
        self.assertGreater(followed, 30)

    def test_every_place_in_the_code_that_a_document_names_exists(self):
        named = [(document.name, place) for document in DOCUMENTS for place in PLACE.findall(document.read_text())]
        self.assertEqual([place for place in named if not (REPOSITORY / place[1]).exists()], [])
        self.assertGreater(len(named), 20)

    def test_the_glossary_is_short_and_each_word_is_there_once(self):
        words = re.findall(r"^\| \*\*([^*]+)\*\* \|", (REPOSITORY / "docs" / "GLOSSARY.md").read_text(), re.MULTILINE)
        self.assertTrue(0 < len(words) <= WORDS_AT_MOST, len(words))
        self.assertEqual(len(set(words)), len(words))


class Pictures(unittest.TestCase):
    def test_the_terminal_in_readme_shows_what_the_command_prints(self):
        path = REPOSITORY / "docs" / "images" / "terminal.py"
        specification = importlib.util.spec_from_file_location("terminal", path)
        terminal = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(terminal)
        told = "the golden file has changed: run python3 docs/images/terminal.py"
        self.assertEqual(terminal.PICTURE.read_text(), terminal.picture(), told)
        self.assertTrue(xml.etree.ElementTree.fromstring(terminal.picture()).tag.endswith("svg"))


if __name__ == "__main__":
    unittest.main()
