"""Shared by the pages: access control, server, broadcaster, components."""
