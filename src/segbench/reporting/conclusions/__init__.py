"""What a comparison shows, in figures and sentences: answer, claims, caveats, footnotes."""
