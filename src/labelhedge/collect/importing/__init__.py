"""Corpora of what is there: the paper's release, class folders, tables, Hugging Face datasets, WebDataset shards.

    lists = read_entity_lists("yfcc100m_entity/Sports")      # the lists released with the paper
    list_urls(lists, "urls.csv")                             # what `labelhedge collect download` is to fetch
    done = import_yfcc_entity(lists, "sports", images="images", imagenet="ImageNet")
    done = import_class_folders("photos", "my-corpus", clean="checked")
    print(done.corpus.describe(), *done.remarks, sep="\\n")

Each importer is a `Source` of items, one an image; `building.py` looks at all of them, settles what becomes of equal
images, and writes the corpus. Two passes, so that never more than a few images are in memory.
"""

from labelhedge.collect.importing.building import Imported, Options
from labelhedge.collect.importing.class_folders import import_class_folders
from labelhedge.collect.importing.hf import import_hf
from labelhedge.collect.importing.tables import import_table
from labelhedge.collect.importing.webdataset import import_webdataset
from labelhedge.collect.importing.yfcc_entity import EntityLists, ListReport, read_entity_lists
from labelhedge.collect.importing.yfcc_images import import_yfcc_entity, list_urls

__all__ = [
    "EntityLists",
    "Imported",
    "ListReport",
    "Options",
    "import_class_folders",
    "import_hf",
    "import_table",
    "import_webdataset",
    "import_yfcc_entity",
    "list_urls",
    "read_entity_lists",
]
