"""The replay process: a recorded session, published again."""
