"""The load generators, the peers they are measured beside, the results: `make bench`."""
