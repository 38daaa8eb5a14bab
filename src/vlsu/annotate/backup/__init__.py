"""Backup and restore of a project."""
