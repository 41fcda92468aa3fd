"""The label graph: triples, siblings, and the relation matrix that guides soft labels."""

from labelhedge.graph.label_graph import LabelGraph, label_iri
from labelhedge.graph.relations import describe_siblings, relation_matrix, siblings
from labelhedge.graph.triples import Triple, read_triples, stream_triples, write_triples

__all__ = [
    "LabelGraph",
    "Triple",
    "describe_siblings",
    "label_iri",
    "read_triples",
    "relation_matrix",
    "siblings",
    "stream_triples",
    "write_triples",
]
