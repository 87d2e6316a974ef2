"""The command line: one module for each group of commands; each parses, calls and prints."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from mediasense.cli.app import build

        build()()
    except KeyboardInterrupt:
        sys.exit(130)
