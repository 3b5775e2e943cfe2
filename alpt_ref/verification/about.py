"""What a report says of its subject beside the claims, for example of somebody's quantiser."""

from __future__ import annotations

from typing import Any, Protocol


class About(Protocol):
    """What a report about somebody's quantiser says beside the claims."""

    @property
    def heading(self) -> str:
        """Whose."""
        ...

    def lines(self) -> list[str]:
        """What it breaks, keeps, and what is left out."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """The same for report.json."""
        ...
