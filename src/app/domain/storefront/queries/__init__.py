"""Statements of the storefront, a file for each subject."""
