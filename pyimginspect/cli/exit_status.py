"""The exit statuses of the command, as ruff and mypy have them."""

import signal

__all__ = ["CLEAN", "FAILED", "FINDINGS", "INTERRUPTED"]

CLEAN = 0
"""Nothing at or above the severity that fails."""

FINDINGS = 1
"""The policy fails an image."""

FAILED = 2
"""The arguments make no sense, or an image could not be inspected."""

INTERRUPTED = 128 + signal.SIGINT
"""What a shell says of a process that an interrupt has ended."""
