"""What marketing sends and takes, a file for each subject."""
