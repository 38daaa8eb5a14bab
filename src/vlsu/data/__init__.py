"""Samples, datasets, importers, images."""

from vlsu.data.check import CheckReport, Finding, FindingKind, check_dataset
from vlsu.data.dataset import BUNDLED, Dataset, DatasetInfo, PolicyReference, load
from vlsu.data.export import EXPORT_FORMATS, export_dataset, sample_dataset
from vlsu.data.images import ImageStore
from vlsu.data.importers import importers
from vlsu.data.importing import Example, ImportReport, Progress, import_dataset
from vlsu.data.info import dataset_info
from vlsu.data.probe import ImageError, ImageFacts, ImageFault, probe
from vlsu.data.rows import COLUMNS
from vlsu.data.sample import Sample
from vlsu.data.writer import write_dataset

__all__ = [
    "BUNDLED",
    "COLUMNS",
    "EXPORT_FORMATS",
    "CheckReport",
    "Dataset",
    "DatasetInfo",
    "Example",
    "Finding",
    "FindingKind",
    "ImageError",
    "ImageFacts",
    "ImageFault",
    "ImageStore",
    "ImportReport",
    "PolicyReference",
    "Progress",
    "Sample",
    "check_dataset",
    "dataset_info",
    "export_dataset",
    "import_dataset",
    "importers",
    "load",
    "probe",
    "sample_dataset",
    "write_dataset",
]
