"""`labelhedge graph`: make a graph of label relations, and look at it."""

from __future__ import annotations

from labelhedge.cli.common import group

app = group("Make a graph of label relations, and look at it.")
