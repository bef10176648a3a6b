"""The peer: holds as a Django shop writes them, on the same tables. It runs in an environment of its own."""
