"""Files behind a URL (``s3://``, ``gs://``, ``https://``, ``memory://``, …), through fsspec where it is installed.

fsspec finds the protocol's own package (s3fs, gcsfs, …) and takes credentials from where that package looks for them.
"""

from __future__ import annotations

import os
import re
import zlib
from typing import Any

from alpt_ref.errors import InputError

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*(?:::[a-zA-Z][a-zA-Z0-9+.-]*)*://")


def is_url(source: Any) -> bool:
    """Whether a source is a URL rather than a path."""
    return isinstance(source, str) and _URL.match(source) is not None


class RemoteFile(os.PathLike[str]):
    """One file behind a URL: what a reader needs of a `Path`.

    Parameters
    ----------
    files : fsspec file system
    path : str
        In it.
    protocol : str
        What stands before ``://``.
    """

    def __init__(self, files: Any, path: str, protocol: str) -> None:
        self._files, self._path, self._protocol = files, path, protocol
        self.size = self.state()[0]

    def __str__(self) -> str:
        """Its URL."""
        return f"{self._protocol}://{self._path.lstrip('/') if self._protocol == 'memory' else self._path}"

    def __fspath__(self) -> str:
        """Its URL."""
        return str(self)

    def __repr__(self) -> str:
        """For debugging."""
        return f"RemoteFile({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        """By URL."""
        return isinstance(other, RemoteFile) and str(other) == str(self)

    def __hash__(self) -> int:
        """By URL."""
        return hash(str(self))

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._path.rstrip("/").rpartition("/")[2]

    def state(self) -> tuple[int, int]:
        """Its size, and a number that changes with its contents where the store has one."""
        try:
            info = self._files.info(self._path)
        except Exception as error:
            raise unreachable(str(self), error) from None
        tag = next((str(info[key]) for key in ("ETag", "etag", "mtime", "created", "LastModified") if key in info), "")
        return int(info.get("size") or 0), zlib.crc32(tag.encode())

    def stat(self) -> os.stat_result:
        """Size, and for the time a number that changes with the contents where the store has one."""
        size, tag = self.state()
        return os.stat_result((0, 0, 0, 0, 0, 0, size, tag, tag, tag))

    def open(self, mode: str = "rb") -> Any:
        """An open binary file."""
        try:
            return self._files.open(self._path, mode)
        except Exception as error:
            raise unreachable(str(self), error) from None


def remote_files(url: str) -> list[RemoteFile]:
    """The files that a URL names: one, those of a folder in the order of their names, or those of a pattern.

    Raises
    ------
    InputError
        fsspec or the protocol's package is missing, the place cannot be reached, or there is no such file.
    """
    protocol = url.partition("://")[0]
    try:
        import fsspec
    except ImportError:
        from alpt_ref._version import install_hint

        raise InputError(f"{url}: files behind {protocol}:// need fsspec; {install_hint('cloud')}") from None
    try:
        files, path = fsspec.core.url_to_fs(url)
        found = _paths(files, path)
    except InputError:
        raise
    except ImportError as error:  # the protocol's own package
        from alpt_ref._version import install_hint

        raise InputError(f"{url}: {' '.join(str(error).split())}; {install_hint('cloud')}") from None
    except Exception as error:  # every protocol has exceptions of its own
        raise unreachable(url, error) from None
    if found is None:
        raise InputError(f"file {url} does not exist; check its name")
    if not found:
        raise InputError(f"{url} matches no file; check it, or name the files")
    return [RemoteFile(files, one, protocol) for one in found]


def _paths(files: Any, path: str) -> list[str] | None:
    if files.isfile(path):
        return [path]
    if files.isdir(path):
        entries = sorted(files.ls(path, detail=True), key=lambda entry: str(entry["name"]))
        entries = [entry for entry in entries if entry["name"].rstrip("/").rpartition("/")[2][:1] not in (".", "_")]
        names = [entry["name"].rstrip("/").rpartition("/")[2] for entry in entries]
        if "manifest.json" in names:
            raise InputError(
                f"{path} is a folder of encoded data, not of click files; copy it here and name it with --data"
            )
        deeper = [name for name, entry in zip(names, entries, strict=True) if entry["type"] == "directory"]
        if deeper:
            raise InputError(
                f"folder {path} holds the folder {deeper[0]}, whose files would be left out; name the folders that "
                "hold the files, or a pattern"
            )
        return [entry["name"] for entry in entries]
    if any(character in path for character in "*?["):
        return sorted(found for found in files.glob(path) if files.isfile(found))
    return None


def unreachable(url: str, error: Exception) -> InputError:
    """One sentence for whatever a remote store raises."""
    what = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
    return InputError(f"cannot read {url} ({what}); check the name, the network and the credentials")
