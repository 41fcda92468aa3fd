"""Cross links: clean images for a corpus's labels from a local ImageNet-style folder.

    done = add_images("my-corpus", "ImageNet", LinkSettings(mappings=["wnid_wikipedia.csv"]), per_label=100)
    print(*done.lines(), sep="\\n")

`linking.py` finds the synsets of each label: as the user chose, as a mapping file says (`mappings.py`), or through
WordNet's words where that is no guess. `selection.py` picks images and leaves out what is near dev or test, `adding.py`
writes the corpus.
"""

from labelhedge.collect.crosslinks.adding import Added, add_images, show_links
from labelhedge.collect.crosslinks.finding import LinkSettings, find_links
from labelhedge.collect.crosslinks.folders import ImageFolders
from labelhedge.collect.crosslinks.linking import Link, Sense

__all__ = ["Added", "ImageFolders", "Link", "LinkSettings", "Sense", "add_images", "find_links", "show_links"]
