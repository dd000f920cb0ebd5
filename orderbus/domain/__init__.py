"""What is true: no network, no disk, no clock."""
