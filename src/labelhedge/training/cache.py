"""Where decoded images and features are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """The folder named by `LABELHEDGE_CACHE`, else the user's cache folder for labelhedge."""
    return Path(os.environ.get("LABELHEDGE_CACHE") or platformdirs.user_cache_dir("labelhedge"))
