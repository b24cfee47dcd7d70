"""What the pages share: access control, server, broadcaster, components."""
