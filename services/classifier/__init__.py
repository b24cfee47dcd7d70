"""The classifier process: face crops in, probabilities of the seven emotions out."""
