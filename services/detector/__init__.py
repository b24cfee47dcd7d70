"""The detector process: pictures in, face crops out."""
