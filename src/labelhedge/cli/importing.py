"""`labelhedge corpus import`: make a corpus of what is there already."""

from __future__ import annotations

from labelhedge.cli.common import group

app = group("Make a corpus of photos, class folders, or a dataset in another format.")
