"""A request that is answered by an error."""

from collections.abc import Mapping


class Refused(Exception):
    """The error that a request is answered by: its status, one line for its sender, and headers."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})
