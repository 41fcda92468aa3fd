"""`labelhedge verify`: from votes and other sources to verified labels."""

from __future__ import annotations

from labelhedge.cli.common import group

app = group("From votes and other sources to verified labels.")
