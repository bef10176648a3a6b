"""The storefront's decisions, a file for each subject. Pure."""
