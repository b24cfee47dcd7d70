"""The panels of the page, one a module: see `affectline.services.dashboard.panel`."""
