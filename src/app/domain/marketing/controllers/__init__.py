"""The routes below `/api/marketing/`, a file for each subject."""
