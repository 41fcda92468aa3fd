"""From photos and their words to a corpus: read, link, group into domains, fetch images.

Each step reads what the one before wrote, streams, and goes on where it was stopped; `records.py` says what is handed
on. Needs ``pip install 'labelhedge[collect]'``.
"""

from labelhedge.collect.domains import DomainCounts, count_domains
from labelhedge.collect.link import link_photos
from labelhedge.collect.photos.sources import read_photos
from labelhedge.collect.photos.yfcc import copy_url, photo_hash
from labelhedge.collect.summary import LinkSummary
from labelhedge.collect.vocabulary import Vocabulary, choose_vocabulary

__all__ = [
    "DomainCounts",
    "LinkSummary",
    "Vocabulary",
    "choose_vocabulary",
    "copy_url",
    "count_domains",
    "link_photos",
    "photo_hash",
    "read_photos",
]
