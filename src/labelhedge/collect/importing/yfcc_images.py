"""The images of the paper's lists: which to download, where ImageNet has them, and the corpus of both.

lists = read_entity_lists("yfcc100m_entity/Sports")
list_urls(lists, "urls.csv")                       # then: labelhedge collect download urls.csv --out images
import_yfcc_entity(lists, "sports", images="images", imagenet="ImageNet")
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from labelhedge.collect.importing.building import Imported, Item, Options, Source, build, check_target
from labelhedge.collect.importing.yfcc_entity import EntityLists, EntitySample
from labelhedge.corpus import Label
from labelhedge.errors import LabelhedgeError
from labelhedge.files import replacing

LICENCE = "approved non-commercial research only: see LICENSE.pdf of the YFCC100M Entity Dataset"
ROOTS = ("", "train", "ILSVRC/Data/CLS-LOC/train", "Data/CLS-LOC/train")
"""Where synsets may lie. Folders of dev and test images of ImageNet are no such places: they are not read."""
_ENDINGS = (".JPEG", ".jpeg", ".jpg", ".JPG")


def list_urls(lists: EntityLists, file: str | os.PathLike[str]) -> int:
    """Write the images that are to be downloaded, as `labelhedge collect download` takes them: a CSV `id,url`.

    Returns
    -------
    int
        How many.
    """
    samples = lists.samples()
    wanted = [
        (id_, sample.link) for id_, sample in zip(_ids(samples), samples, strict=True) if sample.source == "yfcc100m"
    ]
    with replacing(file) as new, new.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow(["id", "url"])
        writer.writerows(wanted)
    return len(wanted)


def import_yfcc_entity(
    lists: EntityLists,
    target: str | os.PathLike[str],
    *,
    images: str | os.PathLike[str] | None = None,
    imagenet: str | os.PathLike[str] | None = None,
    options: Options | None = None,
) -> Imported:
    """Make a corpus of the paper's lists.

    Rows of `clean` are trusted, those of `full` are noisy; an image of both keeps the labels of `full` as observed
    ones. Images that are not there are left out, counted by reason, and listed.

    Parameters
    ----------
    lists : see :func:`read_entity_lists`
    target : folder to write
    images : folder that `labelhedge collect download` wrote
    imagenet : folder with ``<wnid>/<wnid>_<number>.JPEG``, perhaps in ``train``
    options : Options, optional

    Raises
    ------
    LabelhedgeError
        When a folder is not what it should be, or no image is there.
    """
    options = options or Options()
    options = replace(
        options,
        name=options.name or lists.folder.resolve().name,
        licence=LICENCE if options.licence == "unknown" else options.licence,
        description=options.description or "Of the YFCC100M Entity Dataset (Li et al., ICCV 2017)",
    )
    check_target(Path(target), options)
    samples = lists.samples()
    downloaded = _downloaded(Path(images), samples) if images is not None else None
    found = _ImageNet(Path(imagenet)) if imagenet is not None else None
    ids = _ids(samples)

    def items() -> Iterator[Item]:
        for id_, sample in zip(ids, samples, strict=True):
            if sample.source == "imagenet":
                file, problem = _in_imagenet(found, sample.link)
            else:
                file, problem = _among_downloads(downloaded, sample.link)
            extra = {"link": sample.link, "source": sample.source}
            yield Item(sample.link, id_, file.read_bytes, sample.entry, problem, extra)

    places = (lists.folder, lists.folder.resolve().parent)
    licences = [licence for place in places if (licence := place / "LICENSE.pdf").exists()]
    source = Source(
        items,
        labels=[Label(id=name, name=name.replace("_", " "), uri=dbpedia_uri(name)) for name in lists.vocab],
        columns={"link": pa.string(), "source": pa.string()},
        total=len(samples),
        extras={licence.name: licence for licence in licences[:1]},  # it must travel with the lists
    )
    done = build(source, target, options)
    return Imported(done.corpus, [*lists.report().lines(), *done.remarks])


def dbpedia_uri(title: str) -> str:
    """The DBpedia resource of a Wikipedia title.

    Examples
    --------
    >>> dbpedia_uri("Racket_(sports_equipment)")
    'http://dbpedia.org/resource/Racket_(sports_equipment)'
    """
    name = title.strip().replace(" ", "_")
    name = re.sub(r'[\x00-\x1f"<>\\^`{|}?#%]', lambda found: f"%{ord(found[0]):02X}", name)
    return "http://dbpedia.org/resource/" + name[:1].upper() + name[1:]


def _ids(samples: list[EntitySample]) -> list[str]:
    """Unique names: of the file without its ending, or the whole link where two files have the same name."""
    stems = [PurePosixPath(sample.link).stem for sample in samples]
    count = Counter(stems)
    return [stem if count[stem] == 1 else sample.link for stem, sample in zip(stems, samples, strict=True)]


class _ImageNet:
    """Finds the files of ImageNet, whose endings differ between its editions."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise LabelhedgeError(f"there is no ImageNet folder {folder}")
        roots = [root for name in ROOTS if (root := folder / name).is_dir()]
        self._synsets: dict[str, list[Path]] = defaultdict(list)
        for root in roots:
            for entry in os.scandir(root):
                if re.fullmatch(r"n\d{8}", entry.name) and entry.is_dir():
                    self._synsets[entry.name].append(Path(entry.path))
        if not self._synsets:
            raise LabelhedgeError(
                f"{folder} holds no folder of a synset, such as n02084071, nor does its train folder: "
                "name the folder that does, and unpack ImageNet's tar files there, each into a folder of its name"
            )

    def find(self, link: str) -> Path | None:
        wnid, name = link.removesuffix(".JPEG").split("/")
        for folder in self._synsets.get(wnid, ()):
            for ending in _ENDINGS:
                if os.path.isfile(f"{folder}/{name}{ending}"):
                    return folder / f"{name}{ending}"
        return None


def _in_imagenet(imagenet: _ImageNet | None, link: str) -> tuple[Path, str | None]:
    if imagenet is None:
        return Path(link), "no ImageNet folder was named"
    file = imagenet.find(link)
    return (file, None) if file else (Path(link), "not in the ImageNet folder")


def _downloaded(folder: Path, samples: list[EntitySample]) -> dict[str, tuple[Path, str | None]]:
    table = folder / "images.parquet"
    if not table.exists():
        raise LabelhedgeError(
            f"{folder} holds no images.parquet: name the folder that 'labelhedge collect download' wrote, once it has "
            "finished"
        )
    try:
        with pq.ParquetFile(table) as file:
            missing = [name for name in ("url", "path", "reason") if name not in file.schema_arrow.names]
            if missing:
                raise LabelhedgeError(f"{table} has no column {missing[0]!r}: download the images again")
            wanted = {sample.link for sample in samples if sample.source == "yfcc100m"}
            found: dict[str, tuple[Path, str | None]] = {}
            for batch in file.iter_batches(columns=["url", "path", "reason"]):
                for row in batch.to_pylist():
                    url, path = row["url"], row["path"]
                    if url not in wanted or (url in found and path is None):
                        continue
                    problem = None if path is not None else f"not downloaded: {row['reason']}"
                    found[url] = (folder / (path or ""), problem)
    except (pa.ArrowInvalid, OSError) as error:
        raise LabelhedgeError(f"{table} is damaged ({error}): download the images again") from error
    return found


def _among_downloads(found: dict[str, tuple[Path, str | None]] | None, link: str) -> tuple[Path, str | None]:
    if found is None:
        return Path(link), "no folder of downloaded images was named"
    return found.get(link, (Path(link), "not among the downloaded images"))
