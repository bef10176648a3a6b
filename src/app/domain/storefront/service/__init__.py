"""What the storefront reads and computes, a file for each subject."""
