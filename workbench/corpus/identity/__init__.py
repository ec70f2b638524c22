"""Which records are the same paper: ids where none is given, duplicates grouped and merged.

`keys` compares records, `merging` makes one of several, `library` remembers all of them on disk.
"""
