"""From photos and their words to a corpus: read, link, group into domains, fetch images.

Each step reads what the one before wrote, streams, and goes on where it was stopped; `records.py` says what is handed
on. Needs ``pip install 'labelhedge[collect]'``.
"""
