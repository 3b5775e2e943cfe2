"""Profiles, options and fixtures that every test folder shares."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path

import hypothesis
import pytest

_cores = os.cpu_count() or 1
_share = max(2, _cores // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
if _share < _cores:  # before Numba is imported: else eight workers on 32 cores would begin 256 threads
    for _name in ("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(_name, str(_share))

hypothesis.settings.register_profile("dev", max_examples=50, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("nightly", max_examples=10_000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--realdata FOLDER``."""
    parser.addoption("--realdata", default=None, help="folder with criteo/, avazu/ and frappe/ click files")


@pytest.fixture(scope="session")
def realdata(request: pytest.FixtureRequest) -> Path:
    """Folder of real click files; tests that need it are skipped without one."""
    folder = request.config.getoption("--realdata") or os.environ.get("ALPT_REF_REALDATA")
    if not folder:
        pytest.skip("no real click data: pass --realdata FOLDER or set ALPT_REF_REALDATA (see docs/real-data.md)")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"--realdata/ALPT_REF_REALDATA names {folder}, which is not a folder")
    return path


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With ``-m gpu`` or ``-m simulator``, files without such a test are not imported: eight workers took a minute."""
    wanted = str(config.getoption("markexpr", ""))
    if wanted not in ("gpu", "simulator") or not collection_path.name.startswith("test_") or collection_path.is_dir():
        return None
    return None if f"mark.{wanted}" in collection_path.read_text(encoding="utf-8") else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests marked ``nightly`` or ``simulator`` unless asked for, and ``gpu`` where no device can be used."""
    if not os.environ.get("ALPT_REF_SIMULATOR"):
        for item in items:
            if item.get_closest_marker("simulator"):
                item.add_marker(pytest.mark.skip(reason="needs ALPT_REF_SIMULATOR=1"))
    if os.environ.get("HYPOTHESIS_PROFILE") != "nightly":
        for item in items:
            if item.get_closest_marker("nightly"):
                item.add_marker(pytest.mark.skip(reason="needs HYPOTHESIS_PROFILE=nightly"))
    wanted = [item for item in items if item.get_closest_marker("gpu")]
    if "PYTEST_XDIST_WORKER" in os.environ:
        if config.option.markexpr == "gpu":
            items[:] = leaders_first(wanted, int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
        else:
            _long_ones_first(items)
    if not wanted:
        return
    from alpt_ref.errors import InputError
    from alpt_ref.kernels.backend import get_backend

    try:
        get_backend("cuda")
    except InputError as error:
        for item in wanted:
            item.add_marker(pytest.mark.skip(reason=str(error)))


SLOW = (
    "analysis/test_claims_da.py", "analysis/test_readme.py", "analysis/test_claims_broken.py",
    "analysis/test_claims_m.py", "packaging/test_plugin.py", "analysis/test_claims_rsx.py", "bits/test_bits.py",
    "analysis/test_claims_added.py", "studies/test_compare.py", "analysis/test_bounds_broken.py",
    "studies/test_cell_code.py", "studies/test_cluster.py", "distributed/test_table.py", "util/test_old_paths.py",
    "test_docs.py", "analysis/test_run_figures.py", "analysis/test_figures.py", "data/test_fuzz.py",
    "analysis/test_collect.py",
)  # fmt: skip
"""Files of ten seconds and more, the longest first."""


GPU_LEADERS = (
    "test_gpus_have_the_bits_of_the_cpu[1]", "test_large_ragged_simulations[False-noise0]",
    "test_bfloat16_runs_are_the_same_bits_and_near_tf32[dcn-alpt-one-pass]",
    "test_a_run_finds_every_kernel_that_was_compiled_ahead",
    "test_a_hundred_steps_give_the_bits_of_the_cpu[lpt-dr-4bit-adam-d600]",
    "test_the_gpu_gives_the_cpus_bits[quantizer_cases]",
    "test_a_hundred_steps_give_the_bits_of_the_cpu[alpt-sr-4bit-adagrad-d200-two-pass]",
    "test_large_batches_follow_the_cpu[wide-257]",
    "test_a_hundred_steps_give_the_bits_of_the_cpu[lpt-dr-16bit-momentum-d130]",
    "test_a_hundred_steps_give_the_bits_of_the_cpu[alpt-sr-4bit-adagrad-d16-two-pass]",
    "test_moments_on_the_device_lead_back_bit_for_bit[alpt-sr-8bit-adam-d4-two-pass]",
    "test_large_random_tables_in_both_roundings[1-2]", "test_the_gpu_gives_the_cpus_bits[montecarlo_cases]",
    "test_a_hundred_steps_give_the_bits_of_the_cpu[lpt-sr-4bit-adagrad-d150-queued]",
    "test_a_table_on_a_device_rounds_what_it_hands_out_and_takes_gradients_as_they_are[16]",
    "test_a_hundred_steps_give_the_bits_of_the_cpu[alpt-dr-4bit-adagrad-d150-two-pass-queued]",
)  # fmt: skip
"""GPU tests that compile longest with an empty cache, each other kernels than those before it."""


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest-xdist keep the order of files: by itself it takes those with the most tests first, however short.

    GPU tests it hands out one by one, since a worker that was given a long one would keep what came with it.
    """
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False
    if hasattr(config.option, "maxschedchunk") and config.option.markexpr == "gpu":
        config.option.maxschedchunk = 1


def leaders_first(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """`GPU_LEADERS` first, then tables and training, then what is short, in an order that parts those of one kind.

    At first each worker gets two in a row: with the longest the shortest of as many leaders as these are.
    """

    def place(item: pytest.Item) -> tuple[int, bool, int]:
        leads = GPU_LEADERS.index(item.name) if item.name in GPU_LEADERS else len(GPU_LEADERS)
        short = not item.nodeid.startswith(("tests/tables/", "tests/training/"))
        return leads, short, zlib.crc32(item.nodeid.encode())

    known = sorted(items, key=place)
    first, second = known[:workers], known[workers : 2 * workers]
    dealt = [item for pair in zip_longest(first, reversed(second)) for item in pair if item is not None]
    return dealt + known[2 * workers :]


def _long_ones_first(items: list[pytest.Item]) -> None:
    """Begin with slow files, so that no worker ends long after the other.

    The rest comes from the front and from the back in turn, so that two workers seldom want the same kernels at once.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    folder = Path(__file__).parent
    slow = [files.pop(folder / name) for name in SLOW if folder / name in files]
    rest = list(files.values())
    mixed = [rest.pop(0 if turn % 2 == 0 else -1) for turn in range(len(rest))]
    items[:] = [item for file in (*slow, *mixed) for item in file]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """``once(name, make)``: a folder that `make` has filled, once for all workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent

    def shared(name: str, make: Callable[[Path], None]) -> Path:
        folder, state = base / name, base / f"{name}.state"
        try:
            folder.mkdir()
        except FileExistsError:  # another worker makes it, or has made it
            deadline = time.monotonic() + 900
            while not state.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            if not state.exists() or state.read_text() != "made":
                pytest.fail(f"{name} could not be made by the worker that tried")
            return folder
        written = "failed"
        try:
            make(folder)
            written = "made"
        finally:
            part = base / f"{name}.part"
            part.write_text(written)
            part.rename(state)
        return folder

    return shared


@pytest.fixture
def threads() -> Iterator[None]:
    """Restore the number of threads after a test that changes it."""
    from alpt_ref import num_threads, set_num_threads

    before = num_threads()
    yield
    set_num_threads(before)


@pytest.fixture(autouse=True)
def no_signal_seen() -> Iterator[None]:
    """A test that interrupts a command leaves no trace for the next one."""
    from alpt_ref._util import signals

    yield
    signals.forget()
