"""What the storefront sends and takes, a file for each subject."""
