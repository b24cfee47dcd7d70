"""The processes of the pipeline, one module for each."""
