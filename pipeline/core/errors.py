"""Errors: every failure that a person sees, and its exit code.

::

    LabelmillError            exit 1   anything below; the message is one line: what, where, what to do
    ├── ConfigError           exit 2   the job file, an option, a prompt, an argument
    │   └── ArgumentError     exit 2   an argument of a function has a type or value that it cannot have (a TypeError, too)
    ├── InputError            exit 1   a source, a file or a job folder that cannot be read
    ├── MissingExtra          exit 1   an optional package is not installed
    ├── EndpointError         exit 1   the model's endpoint cannot be used at all (address, protocol)
    ├── HubError              exit 1   the Hugging Face Hub refused, or could not be reached
    ├── ModelError            exit 1   a local model cannot be had, loaded or used
    ├── Paused                exit 3   stopped on purpose (quota, key, budget, Ctrl-C); run again to resume
    └── GateStopped           exit 4   a check refused to let a version out

    RequestFailed                      one request got no answer; the labelling engine decides what follows
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pipeline.core.types import Reply


def _printable(text: str) -> str:
    """Return a text, of which a server's own words may be a part, without what would move a terminal's cursor or colour it."""
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)


class LabelmillError(Exception):
    """Base of every error whose text is meant for the user; `exit_code` is the process's."""

    exit_code = 1


class ConfigError(LabelmillError):
    """The job file, an override, a prompt or a command-line argument is wrong."""

    exit_code = 2


class ArgumentError(ConfigError, TypeError):
    """A function of the Python interface was called with something that it cannot take."""


class InputError(LabelmillError):
    """A source or the job folder cannot be read."""


class MissingExtra(LabelmillError):
    """An optional package is needed; the message names the extra to install."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional package: pip install 'labelmill[{extra}]'")


class EndpointError(LabelmillError):
    """The endpoint of a provider cannot be used; `status` is the HTTP status where it answered at all."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(_printable(message))
        self.status = status


class HubError(LabelmillError):
    """The Hub refused a call, or could not be reached.

    `transient`: the same call may succeed later, and may have taken effect although it failed; `conflict`: somebody else was
    faster; `retry_after` is in seconds.
    """

    def __init__(
        self, message: str, *, transient: bool = False, conflict: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.transient, self.conflict, self.retry_after = transient, conflict, retry_after


class ModelError(LabelmillError):
    """A local model cannot be had, loaded or used."""


class Paused(LabelmillError):
    """The job stopped on purpose and can be resumed by the same command.

    `code` is that of the failed request that stopped it, empty where none did.
    """

    exit_code = 3
    code = ""


class GateStopped(LabelmillError):
    """A publishing gate refused the version."""

    exit_code = 4


FailureKind = Literal["transient", "rate_limited", "rejected", "fatal"]
Unit = Literal["requests", "tokens", "parallel"]  # parallel: how many are in flight
# Seconds: no limit per minute asks for more, so it is one of a day or longer, and the job pauses instead of sleeping through it.
TOO_LONG_TO_WAIT = 600.0
NOT_SERVED = "not_served"  # the code of an address that nobody serves, as far as the endpoint tells
TOO_LONG = "context_length_exceeded"  # the code of a prompt that does not fit, whatever the endpoint calls it


class RequestFailed(Exception):
    """One request failed.

    `kind` decides the policy, in one place (`label.engine.failure_policy`):
    *transient* and *rate_limited* are tried again (after `retry_after` seconds where the server said so),
    *rejected* is final for this article, *fatal* pauses the job.  `code` is a short machine-readable reason.
    `unit` is what a rate limit counts; `may_be_paid`: the endpoint may have answered, and billed, without it arriving.
    `reply` is what did arrive, where that is no answer but tells who answered and what was billed.
    """

    def __init__(
        self,
        kind: FailureKind,
        code: str,
        message: str,
        *,
        retry_after: float | None = None,
        unit: Unit = "requests",
        may_be_paid: bool = False,
        reply: Reply | None = None,
    ) -> None:
        super().__init__(_printable(message))
        self.kind, self.code, self.retry_after = kind, code, retry_after
        self.unit: Unit = unit
        self.may_be_paid, self.reply = may_be_paid, reply
