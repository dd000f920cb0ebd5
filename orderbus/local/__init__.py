"""A whole orderbus on one machine: its parts, its processes, and a receiver."""
