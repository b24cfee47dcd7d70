"""The booth: people show the seven emotions, and their faces become a data set."""
