"""Heart, skin and face of a person become one state: arousal, valence and nervousness."""
