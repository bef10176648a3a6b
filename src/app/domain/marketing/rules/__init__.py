"""What may be written, a file for each subject. Pure."""
