"""Statements of marketing, a file for each subject."""
