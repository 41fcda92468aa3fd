"""The label graph: triples, siblings, and the relation matrix that guides soft labels.

Building a graph from RDF files, endpoints and WordNet: :mod:`labelhedge.graph.build`.
"""

from labelhedge.graph.information import choose_relations, measure_relations
from labelhedge.graph.label_graph import LabelGraph, label_iri
from labelhedge.graph.relations import describe_siblings, relation_matrix, siblings
from labelhedge.graph.triples import Triple, read_names, read_triples, stream_triples, write_triples

__all__ = [
    "LabelGraph",
    "Triple",
    "choose_relations",
    "describe_siblings",
    "label_iri",
    "measure_relations",
    "read_names",
    "read_triples",
    "relation_matrix",
    "siblings",
    "stream_triples",
    "write_triples",
]
