"""Tests of this folder need the extra ``hf``; CI installs it."""

from importlib.util import find_spec

import pytest


@pytest.fixture(scope="session", autouse=True)
def torch_on_one_thread():
    """Without torch and transformers, these tests are skipped."""
    for name in ("torch", "transformers"):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed; make install-hf installs the extra hf")
    import torch

    torch.set_num_threads(1)  # many threads are slow on matrices this small
