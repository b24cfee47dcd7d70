"""The panels of the page, one per module: see `affectline.services.dashboard.panel`."""
