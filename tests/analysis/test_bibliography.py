"""What analysis and exports cite is in the bibliography, which holds nothing else."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CITING = ("analysis", "data/exporting")
#: An author, perhaps with others, and a year: "Wilson 1927", "Fleiss' (1971)", "Rao and Scott
#: (1992)", "Fleiss, Cohen and Everitt 1969", "Li et al. (2025".
CITED = re.compile(
    r"\b([A-ZÄÖÜ]\w+)(?:'s?)?(?:(?:, [A-ZÄÖÜ]\w+)*,? and [A-ZÄÖÜ]\w+(?:'s?)?| et al\.)?"
    r" \(?((?:19|20)\d\d)\b"
)
#: A further year of the same author: "(Gwet 2008; 2014, ch. 3)".
AGAIN = re.compile(
    r"\b([A-ZÄÖÜ]\w+)(?:'s?)?(?: \w+)? \(?(?:19|20)\d\d[^.()]*; (?:\w+: )?((?:19|20)\d\d)"
)


def cited() -> set[tuple[str, str]]:
    found = set()
    for path in (path for room in CITING for path in (ROOT / "src/vlsu" / room).rglob("*.py")):
        text = re.sub(r"\s*\n\s*(?:#:? )?", " ", path.read_text(encoding="utf-8"))
        found |= set(CITED.findall(text)) | set(AGAIN.findall(text))
    return found


def listed() -> set[tuple[str, str]]:
    text = (ROOT / "docs/bibliography.md").read_text(encoding="utf-8")
    return set(re.findall(r"^- \*\*(\w+)(?:, \w+)? (\d{4})", text, re.MULTILINE))


def test_every_citation_is_in_the_bibliography() -> None:
    assert cited() - listed() == set()


def test_every_entry_is_cited() -> None:
    assert listed() - cited() == set()


def test_entries_are_in_order_and_their_dois_are_links() -> None:
    text = (ROOT / "docs/bibliography.md").read_text(encoding="utf-8")
    keys = re.findall(r"^- \*\*(.+?)\.\*\*", text, re.MULTILINE)
    assert len(keys) == len(set(keys))
    authors = [key.split()[0].strip(",").replace("ö", "o").replace("ä", "a") for key in keys]
    assert authors == sorted(authors, key=str.lower)
    assert text.count("doi:10.") == text.count("https://doi.org/10.") > 40
