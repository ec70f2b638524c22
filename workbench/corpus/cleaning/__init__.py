"""What exports write to what a reader expects: markup, names, years, identifiers, encodings."""
