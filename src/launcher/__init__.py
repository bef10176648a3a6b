"""Starts Relámpago on one machine, for development and tests: packages, a private PostgreSQL, the processes.

It runs before any virtual environment exists, so it needs the standard library alone. Production uses nothing of it.
"""
