"""What orderbus does beside what its parts can do, measured in one run."""
