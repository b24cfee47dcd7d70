"""Archives: many films, analysed one beside the other."""
