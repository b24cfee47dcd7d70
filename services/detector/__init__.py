"""The detector process: frames in, face crops out."""
