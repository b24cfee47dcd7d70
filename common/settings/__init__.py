"""Settings: frozen, validated, with a default for everything."""
