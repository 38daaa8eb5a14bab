"""Samples, datasets, importers, images."""

from vlsu.data.sample import Sample

__all__ = ["Sample"]
