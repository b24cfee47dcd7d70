"""The networks: the paper's head on frozen VGG16, and fine-tuned VGG16."""
