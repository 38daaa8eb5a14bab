"""Licences by whatever name a source has for them."""

from __future__ import annotations

import doctest

import pytest

from vlsu.build.images import licensing
from vlsu.build.images.licensing import Licences, family
from vlsu.errors import UsageError


@pytest.mark.parametrize(
    ("name", "known"),
    [
        # as Wikimedia Commons spells them
        ("CC BY-SA 4.0", "by-sa"),
        ("CC BY 3.0 de", "by"),
        ("CC0", "cc0"),
        ("Public domain", "pdm"),
        ("PD-US", "pdm"),
        # as Openverse does, and `vlsu.build.sources.openverse` after it
        ("by-nc-nd", "by-nc-nd"),
        ("pdm", "pdm"),
        ("Public Domain Mark 1.0", "pdm"),
        ("CC-BY-SA-2.0", "by-sa"),
        ("CC0-1.0", "cc0"),
        # of software and data
        ("MIT", "mit"),
        ("Apache-2.0", "apache-2.0"),
        # none that anyone could know
        ("Unsplash", ""),
        ("by someone", ""),
        ("GFDL, CC BY-SA 3.0", ""),
    ],
)
def test_a_licence_is_known_by_its_family(name, known):
    assert family(name) == known


OPEN = ["CC BY 4.0", "by-sa", "CC0", "Public domain", "MIT"]
CLOSED = ["CC BY-NC 4.0", "by-nd", "by-nc-sa", "all rights reserved", "Unsplash"]


@pytest.mark.parametrize(
    ("names", "accepted"),
    [
        (["open"], OPEN),
        (["open", "unstated"], [*OPEN, ""]),
        (["cc0", "by"], ["CC BY 4.0", "CC0"]),
        (["by-nc"], ["CC BY-NC 4.0"]),
        (["any"], [*OPEN, *CLOSED, ""]),
    ],
)
def test_what_is_accepted(names, accepted):
    licences = Licences.parse(names)
    assert [name for name in (*OPEN, *CLOSED, "") if licences.accept(name)] == accepted


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        (["open"], ("cc0", "pdm", "by", "by-sa")),
        (["by", "cc0"], ("by", "cc0")),
        (["any"], ()),
        (["open", "unstated"], ()),
    ],
)
def test_what_a_service_is_asked_for(names, asked):
    assert Licences.parse(names).asked == asked


@pytest.mark.parametrize("name", ["", "free", "cc"])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(UsageError, match="--licences"):
        Licences.parse([name])


def test_examples():
    assert doctest.testmod(licensing).attempted
    assert not doctest.testmod(licensing).failed
