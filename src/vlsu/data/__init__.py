"""Samples, datasets, importers, images."""

from vlsu.data import importers
from vlsu.data.checks.full import FullCheck, full_check
from vlsu.data.datasets.check import CheckReport, Finding, FindingKind, check_dataset
from vlsu.data.datasets.dataset import BUNDLED, Dataset, DatasetInfo, PolicyReference, load
from vlsu.data.datasets.info import dataset_info
from vlsu.data.datasets.writer import write_dataset
from vlsu.data.deriving.difference import Difference, diff_datasets
from vlsu.data.deriving.filtering import filter_dataset
from vlsu.data.deriving.merging import merge_datasets
from vlsu.data.deriving.sampling import sample_dataset
from vlsu.data.deriving.splitting import Part, split_dataset
from vlsu.data.exporting.export import EXPORT_FORMATS, Export, export_dataset, write_export
from vlsu.data.fetching.fetch import FetchReport, fetch_images
from vlsu.data.fetching.politeness import Pace
from vlsu.data.images.probe import ImageError, ImageFacts, ImageFault, probe
from vlsu.data.images.store import ImageStore
from vlsu.data.importing.pipeline import import_dataset
from vlsu.data.importing.report import Example, ImportReport
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
    "Difference",
    "Example",
    "Export",
    "FetchReport",
    "Finding",
    "FindingKind",
    "FullCheck",
    "ImageError",
    "ImageFacts",
    "ImageFault",
    "ImageStore",
    "ImportReport",
    "Pace",
    "Part",
    "PolicyReference",
    "Progress",
    "Sample",
    "check_dataset",
    "dataset_info",
    "diff_datasets",
    "export_dataset",
    "fetch_images",
    "filter_dataset",
    "full_check",
    "import_dataset",
    "importers",
    "load",
    "merge_datasets",
    "probe",
    "sample_dataset",
    "split_dataset",
    "write_dataset",
    "write_export",
]
