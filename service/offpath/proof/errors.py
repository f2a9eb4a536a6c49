"""Errors of the experiment."""

from __future__ import annotations

from offpath.errors import OffpathError


class ProofError(OffpathError):
    """It could not be measured: an arm did not start, did not answer, or could not keep up."""
