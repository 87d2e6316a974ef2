"""The conformance suite for plugins, and the wire it is run on.

A plugin's tests inherit :class:`ProviderTests`::

    from mediasense.testing import ProviderTests

    class TestAcme(ProviderTests):
        plugin = "mediasense_acme"

and its author writes the other end of the wire, a :class:`Service`, or a :class:`Device` for what
runs in this process. ``mediasense plugins check acme`` runs the same checks without pytest.
"""

from __future__ import annotations

from mediasense.testing.inheriting import ProviderTests
from mediasense.testing.registry import Check, NotDeclared, Unproved
from mediasense.testing.report import Report
from mediasense.testing.running import Result, run_checks
from mediasense.testing.service import KEY, Device, Said, Sample, Service
from mediasense.testing.subject import Outcome, Subject
from mediasense.testing.wire import Call, Part, Reply, Wire

__all__ = [
    "KEY",
    "Call",
    "Check",
    "Device",
    "NotDeclared",
    "Outcome",
    "Part",
    "ProviderTests",
    "Reply",
    "Report",
    "Result",
    "Said",
    "Sample",
    "Service",
    "Subject",
    "Unproved",
    "Wire",
    "run_checks",
]
