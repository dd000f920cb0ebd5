"""The shapes of what clients send and read, one file for each subject."""
