"""What a recorded session says, for people: events, words and a page."""
