"""The PyTorch module reads the file without this package and gives the bits of `table.lookup`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.serving import torch as torch_format
from tests.serving.helpers import BITS, N, same_bits, trained

torch = pytest.importorskip("torch")


def module(folder: Path) -> Any:
    spec = importlib.util.spec_from_file_location("embedding", folder / torch_format.MODULE)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded.QuantizedEmbedding()


@pytest.mark.parametrize("d", [1, 3, 8])
@pytest.mark.parametrize("bits", BITS)
def test_the_module_equals_lookup(bits: int, d: int, tmp_path: Path) -> None:
    table, serving = trained(bits, d)
    torch_format.write(serving, tmp_path)
    ids = np.random.default_rng(0).integers(0, N, (9, 4))
    values = module(tmp_path)(torch.from_numpy(ids)).numpy()
    assert same_bits(values, table.lookup(ids.reshape(-1)).reshape(9, 4, d))


@pytest.mark.parametrize("granularity", ["field", "table"])
def test_shared_step_sizes(granularity: str, tmp_path: Path) -> None:
    table, serving = trained(2, 5, granularity)
    torch_format.write(serving, tmp_path)
    assert same_bits(module(tmp_path)(torch.arange(N)).numpy(), table.lookup(np.arange(N)))


def test_the_module_is_short_and_does_without_this_package(tmp_path: Path) -> None:
    code = [line for line in torch_format.SOURCE.splitlines() if line.strip()]
    assert not any("import alpt_ref" in line or "from alpt_ref" in line for line in code)
    assert len(code[1:]) <= 25


@pytest.mark.parametrize("wrong", [-1, N])
def test_an_id_out_of_range_is_refused_and_never_another_row(wrong: int, tmp_path: Path) -> None:
    _, serving = trained(4, 3)
    torch_format.write(serving, tmp_path)
    embedding = module(tmp_path)
    with pytest.raises(IndexError, match=rf"ids must be in \[0, {N}\)"):
        embedding(torch.tensor([0, wrong]))
