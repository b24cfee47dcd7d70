"""Sections of the report, one per file, in the order of `Section.order`."""
