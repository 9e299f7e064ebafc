"""What a provider is told of the job file's section `label`, beside its own `parameters`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pydantic import SecretStr


class LabelSection(Protocol):
    """The parts of the section that a provider may use."""

    @property
    def task(self) -> str:
        """The name of the job's task."""

    @property
    def model(self) -> str | None:
        """The model that the job asks for, None where the provider has a default."""

    @property
    def base_url(self) -> str | None:
        """The address of the endpoint, None where the provider has a default."""

    @property
    def api_key(self) -> SecretStr | None:
        """The key that the job file names; it must reach no log, no ledger and no error text."""

    @property
    def headers(self) -> Mapping[str, SecretStr]:
        """Headers that go with every request; their values are secrets like the key."""
