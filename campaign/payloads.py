"""Steps that a stranger would take: files that run code, or take all memory, when they are believed."""
