"""Sections of the report, one a file; `Section.order` says where each stands."""
