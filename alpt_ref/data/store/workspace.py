"""The folder beside a store in which it grows: one process at a time, kept over interruptions, removed otherwise."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from alpt_ref._util.files import remove_parts
from alpt_ref._util.folders import folder_lock
from alpt_ref.data.store.writer import writing_to
from alpt_ref.errors import InputError


class Workspace:
    """Context manager over ``.<name>.ingest`` beside the folder `name`.

    The folder outlives the block only if the process is killed or interrupted, so that the same command finds what was
    done. An exclusive lock, which the operating system drops with the process, keeps a second process out.

    Raises
    ------
    InputError
        On entering: another process works on the same store, or the place cannot be written.
    """

    def __init__(self, target: str | Path) -> None:
        """Nothing is made yet."""
        self.target = Path(target).absolute()
        self.path = self.target.with_name(f".{self.target.name}.ingest")
        self._held = contextlib.ExitStack()
        self._new_parents: list[Path] = []

    def __enter__(self) -> Self:
        """Make or take over the folder."""
        self._new_parents = [parent for parent in self.target.parents if not parent.exists()]
        with writing_to(self.target):
            self.target.parent.mkdir(parents=True, exist_ok=True)
            taken = False
            while not taken:
                self.path.mkdir(exist_ok=True)
                taken = self._take()
            remove_parts(self.path)
            if (self.path / "store").exists():
                shutil.rmtree(self.path / "store")
        return self

    def _take(self) -> bool:
        """Lock the folder; False where its last owner has just removed it."""
        try:
            self._held.enter_context(folder_lock(self.path))
        except FileNotFoundError:
            return False
        except InputError:
            raise InputError(
                f"another process is encoding into folder {self.target}; wait for it or choose another folder"
            ) from None
        return True

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        """Remove the folder unless the work was interrupted."""
        if kind is None or issubclass(kind, Exception):
            shutil.rmtree(self.path, ignore_errors=True)
        self._held.close()
        if kind is not None and issubclass(kind, Exception):
            for parent in self._new_parents:  # innermost first
                with contextlib.suppress(OSError):  # somebody else has put something there
                    parent.rmdir()
