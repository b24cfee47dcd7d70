"""Images on their way to the model, and what is made of its answers."""
