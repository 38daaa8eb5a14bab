"""Samples, datasets, importers, images."""

from vlsu.data.datasets.check import CheckReport, Finding, FindingKind, check_dataset
from vlsu.data.datasets.dataset import BUNDLED, Dataset, DatasetInfo, PolicyReference, load
from vlsu.data.datasets.export import EXPORT_FORMATS, export_dataset, sample_dataset
from vlsu.data.datasets.info import dataset_info
from vlsu.data.datasets.writer import write_dataset
from vlsu.data.fetching.fetch import FetchReport, fetch_images
from vlsu.data.fetching.politeness import Pace
from vlsu.data.images.probe import ImageError, ImageFacts, ImageFault, probe
from vlsu.data.images.store import ImageStore
from vlsu.data.importers import importers
from vlsu.data.importing.pipeline import Example, ImportReport, import_dataset
from vlsu.data.progress import Progress
from vlsu.data.rows import COLUMNS
from vlsu.data.sample import Sample

__all__ = [
    "BUNDLED",
    "COLUMNS",
    "EXPORT_FORMATS",
    "CheckReport",
    "Dataset",
    "DatasetInfo",
    "Example",
    "FetchReport",
    "Finding",
    "FindingKind",
    "ImageError",
    "ImageFacts",
    "ImageFault",
    "ImageStore",
    "ImportReport",
    "Pace",
    "PolicyReference",
    "Progress",
    "Sample",
    "check_dataset",
    "dataset_info",
    "export_dataset",
    "fetch_images",
    "import_dataset",
    "importers",
    "load",
    "probe",
    "sample_dataset",
    "write_dataset",
]
