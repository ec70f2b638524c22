"""How results look to people: plain text and HTML of values. Knows no result; the lowest room."""
