"""Everything that runs on a developer's machine: dependencies, processes, and a receiver."""
