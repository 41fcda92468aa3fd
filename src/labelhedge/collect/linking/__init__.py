"""Entity linking without a service: a lexicon of names, and which of their meanings a text holds.

linker = open_linker("wordnet", domains="species,artifacts")
linker.link(["A golden retriever on a bench"])
"""

from labelhedge.collect.linking.embedded import EmbeddedLinker
from labelhedge.collect.linking.lexicon import Entry, Form, Lexicon
from labelhedge.collect.linking.opening import open_linker

__all__ = ["EmbeddedLinker", "Entry", "Form", "Lexicon", "open_linker"]
