"""Semantic Scholar's Academic Graph API over any corpus: ids, fields, filters, look-ups."""
