"""The documentation as a site: what MkDocs calls when it builds it (``mkdocs.yml``)."""
