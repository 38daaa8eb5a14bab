"""Samples, datasets, importers, images.

Each name is imported when it is first used.
"""

from typing import TYPE_CHECKING

from vlsu._lazy import lazily

if TYPE_CHECKING:
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

#: Name -> the module that it is imported from.
_HOMES = {
    "BUNDLED": "vlsu.data.datasets.dataset",
    "COLUMNS": "vlsu.data.rows",
    "CheckReport": "vlsu.data.datasets.check",
    "Dataset": "vlsu.data.datasets.dataset",
    "DatasetInfo": "vlsu.data.datasets.dataset",
    "Difference": "vlsu.data.deriving.difference",
    "EXPORT_FORMATS": "vlsu.data.exporting.export",
    "Example": "vlsu.data.importing.report",
    "Export": "vlsu.data.exporting.export",
    "FetchReport": "vlsu.data.fetching.fetch",
    "Finding": "vlsu.data.datasets.check",
    "FindingKind": "vlsu.data.datasets.check",
    "FullCheck": "vlsu.data.checks.full",
    "ImageError": "vlsu.data.images.probe",
    "ImageFacts": "vlsu.data.images.probe",
    "ImageFault": "vlsu.data.images.probe",
    "ImageStore": "vlsu.data.images.store",
    "ImportReport": "vlsu.data.importing.report",
    "Pace": "vlsu.data.fetching.politeness",
    "Part": "vlsu.data.deriving.splitting",
    "PolicyReference": "vlsu.data.datasets.dataset",
    "Progress": "vlsu.data.progress",
    "Sample": "vlsu.data.sample",
    "check_dataset": "vlsu.data.datasets.check",
    "dataset_info": "vlsu.data.datasets.info",
    "diff_datasets": "vlsu.data.deriving.difference",
    "export_dataset": "vlsu.data.exporting.export",
    "fetch_images": "vlsu.data.fetching.fetch",
    "filter_dataset": "vlsu.data.deriving.filtering",
    "full_check": "vlsu.data.checks.full",
    "import_dataset": "vlsu.data.importing.pipeline",
    "load": "vlsu.data.datasets.dataset",
    "merge_datasets": "vlsu.data.deriving.merging",
    "probe": "vlsu.data.images.probe",
    "sample_dataset": "vlsu.data.deriving.sampling",
    "split_dataset": "vlsu.data.deriving.splitting",
    "write_dataset": "vlsu.data.datasets.writer",
    "write_export": "vlsu.data.exporting.export",
}

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

if not TYPE_CHECKING:  # a type checker would take any misspelt name for an object
    __getattr__, __dir__ = lazily(__name__, _HOMES, ("importers",))
