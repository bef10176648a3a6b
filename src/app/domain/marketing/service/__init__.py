"""What marketing reads and writes, a file for each subject."""
