"""How accuracy falls when faces are blurred, small, dark, rolled, turned, covered or compressed."""
