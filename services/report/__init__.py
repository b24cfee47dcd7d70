"""Reports about recorded sessions: sections, and the page that holds them."""
