"""The order bus that can prove what became of each order."""
