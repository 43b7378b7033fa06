"""Certificates for the tests of TLS."""

from __future__ import annotations

import datetime
from pathlib import Path

import trustme

__all__ = ["Certificates"]


class Certificates:
    """A certification authority of one test, and the certificates that it signs, as files.

    Attributes:
        authority: the file with the certificate of the authority.
        stranger: the file with the certificate of another authority, which has signed nothing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self.authority = str(folder / "authority.pem")
        self._authority.cert_pem.write_to_path(self.authority)
        self.stranger = str(folder / "stranger.pem")
        trustme.CA().cert_pem.write_to_path(self.stranger)

    def issue(self, name: str, *, expired: bool = False) -> str:
        """Return the file of a certificate for ``name``, with its key."""
        yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        before = yesterday - datetime.timedelta(days=1)
        issued = (
            self._authority.issue_cert(name, not_before=before, not_after=yesterday)
            if expired
            else self._authority.issue_cert(name)
        )
        path = str(self._folder / f"{name}.pem")
        issued.private_key_and_cert_chain_pem.write_to_path(path)
        return path
