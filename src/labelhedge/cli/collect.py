"""`labelhedge collect`: from photos and their words to labels and images."""

from __future__ import annotations

from labelhedge.cli.common import group

app = group("From photos and their words to labels and images.")
