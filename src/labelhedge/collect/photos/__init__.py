"""Readers of photos and their words: YFCC100M metadata, tables, folders of images. `sources.py` chooses among them."""

from labelhedge.collect.photos.sources import read_photos

__all__ = ["read_photos"]
