"""Images by their addresses: fetched politely, checked before they are decoded, stored at one size.

    summary = download("linked", "images", settings=Settings(size=256))

Killed and started again it goes on, asks for nothing twice, and ends with the same bytes. `docs/download.md` is the
guide for users.

`photos.py` reads what is asked for, `hosts.py` decides who may be asked now, `fetch.py` asks, `picture.py` checks and
resizes, `ledger.py` remembers, `job.py` puts them together.
"""

from labelhedge.collect.download.job import Summary, download
from labelhedge.collect.download.settings import Failure, Settings

__all__ = ["Failure", "Settings", "Summary", "download"]
