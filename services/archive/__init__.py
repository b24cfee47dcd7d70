"""Archives: many films, analysed in parallel."""
