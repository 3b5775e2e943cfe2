"""The examples in the docstrings of the theory are run, and every public name has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

import alpt_ref.theory

MODULES = sorted(found.name for found in pkgutil.walk_packages(alpt_ref.theory.__path__, "alpt_ref.theory."))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_give_what_they_say(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@pytest.mark.parametrize("name", alpt_ref.theory.__all__)
def test_every_public_name_has_an_example(name: str) -> None:
    assert ">>> " in (inspect.getdoc(getattr(alpt_ref.theory, name)) or "")
