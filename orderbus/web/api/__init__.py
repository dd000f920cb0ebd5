"""One file for each subject a caller asks about."""
