"""From FER2013 to the artifact that the classifier serves."""
