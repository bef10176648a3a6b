"""Routes of the site, a file for each kind."""
