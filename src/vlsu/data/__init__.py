"""Samples, datasets, importers, images."""

from vlsu.data.dataset import BUNDLED, Dataset, DatasetInfo, PolicyReference, load
from vlsu.data.images import ImageStore
from vlsu.data.probe import ImageError, ImageFacts, ImageFault, probe
from vlsu.data.rows import COLUMNS
from vlsu.data.sample import Sample
from vlsu.data.writer import write_dataset

__all__ = [
    "BUNDLED",
    "COLUMNS",
    "Dataset",
    "DatasetInfo",
    "ImageError",
    "ImageFacts",
    "ImageFault",
    "ImageStore",
    "PolicyReference",
    "Sample",
    "load",
    "probe",
    "write_dataset",
]
