"""Relámpago: a commerce backend with flash promotions."""
