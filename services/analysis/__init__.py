"""Analysis in this process: films and tables without a hub, sockets or children."""
