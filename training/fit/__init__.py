"""Training: the paper's head, and fine-tuning."""
