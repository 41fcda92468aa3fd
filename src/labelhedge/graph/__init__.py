"""The label graph: triples, siblings, and the relation matrix that guides soft labels."""

from labelhedge.graph.relations import describe_siblings, relation_matrix, siblings
from labelhedge.graph.triples import Triple, read_triples, write_triples

__all__ = ["Triple", "describe_siblings", "read_triples", "relation_matrix", "siblings", "write_triples"]
