"""Entities by DBpedia Spotlight's REST service: the linker, what the service answers, and a cache of answers."""

from labelhedge.collect.spotlight.linker import SpotlightLinker

__all__ = ["SpotlightLinker"]
