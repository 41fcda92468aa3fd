"""Parts of :mod:`labelhedge.collect.assemble`: labels and checks, images, linked photos, the passes over them."""
