"""Every example in a docstring of analysis, build and policy runs, and gives what it says."""

import doctest
import importlib
import pkgutil

import pytest

import vlsu.analysis
import vlsu.build
import vlsu.policy

MODULES = sorted(
    module.name
    for package in (vlsu.analysis, vlsu.build, vlsu.policy)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert not found.failed


@pytest.mark.parametrize("name", [n for n in MODULES if n.startswith("vlsu.analysis.stats.")])
def test_every_public_function_of_the_statistics_has_an_example(name: str) -> None:
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(recurse=False)
    for member in module.__all__:
        thing = getattr(module, member)
        if callable(thing) and not isinstance(thing, type) and member != "require_level":
            examples = [e for test in finder.find(thing, member, module) for e in test.examples]
            assert examples, f"{name}.{member} has no example"
