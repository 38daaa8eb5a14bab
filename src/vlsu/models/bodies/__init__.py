"""Parsing of servers' response bodies: JSON, errors, finish reasons, moderation."""
